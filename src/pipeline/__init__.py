"""From an archive of light curves to a catalogue of spectral-timing measurements."""

__version__ = "0.1.0"
