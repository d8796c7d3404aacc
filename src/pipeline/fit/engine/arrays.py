"""Types of arrays: shapes are stated with jaxtyping, the last axis is the lane."""

from typing import Any

import jax
import numpy as np

AnyArray = jax.Array | np.ndarray
"""An array on the host, on a device, or in a program that is traced."""
Scalar = Any
"""A number of NumPy on the host; in a program that is traced, an array without axes."""
Tree = Any
"""A pytree of arrays whose last axis is the lane, or has length 1 where all lanes share an array."""
