"""Names for the types of arrays, which components cannot import."""

from typing import Any

Array = Any
"""An array of NumPy or of JAX; this module can name neither."""
ArrayFunctions = Any
"""The functions of arrays that a formula is written with: a module like `numpy`."""
