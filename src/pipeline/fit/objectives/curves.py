"""The power of models and of their components at the frequencies of spectra."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.engine.arrays import AnyArray
from pipeline.fit.engine.blocks import in_blocks
from pipeline.fit.engine.compilation import stored
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.spectra import Spectra


def component_power(
    model: Model,
    spectra: Spectra,
    active: Bool[AnyArray, "slots lanes"],
    u: Float[AnyArray, "P lanes"],
    block_size: int = 64,
) -> Float[np.ndarray, "slots bins lanes"]:
    """Return the power of each component at u, shape (slots, bins, lanes); 0 where it is not active."""
    function = _component_power.of(model)
    return in_blocks(function, (spectra, active, u), block_size)[0]


def model_power(
    model: Model,
    spectra: Spectra,
    active: Bool[AnyArray, "slots lanes"],
    u: Float[AnyArray, "P lanes"],
    block_size: int = 64,
) -> Float[np.ndarray, "bins lanes"]:
    """Return the power at u, shape (bins, lanes): the sum of `component_power`."""
    function = _model_power.of(model)
    return in_blocks(function, (spectra, active, u), block_size)[0]


@stored(static=1)
def _component_power(model, spectra, active, u):
    return (jnp.stack(model.component_power(u, spectra.grid, active)),)


@stored(static=1)
def _model_power(model, spectra, active, u):
    return (model.power(u, spectra.grid, active),)
