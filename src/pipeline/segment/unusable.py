"""Why there is no power spectrum."""

from pipeline.refusal import Refusal


class Unusable(Refusal):
    """There is no spectrum: why, and what to do."""
