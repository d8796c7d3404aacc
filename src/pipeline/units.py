"""Units that a configuration may use, and those of power densities."""

UNITS = {
    "nHz": ("Hz", 1e-9),
    "uHz": ("Hz", 1e-6),
    "mHz": ("Hz", 1e-3),
    "Hz": ("Hz", 1.0),
    "kHz": ("Hz", 1e3),
    "MHz": ("Hz", 1e6),
    "us": ("s", 1e-6),
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "ks": ("s", 1e3),
}
"""Units that the configuration may use: the parameter's own, and how many of it."""

POWER_UNITS = {"frac": "1/Hz", "leahy": "", "abs": "ct2 / (Hz s2)"}
"""Unit of a power density in each normalisation (fractional rms squared per Hz; Leahy; absolute)."""
