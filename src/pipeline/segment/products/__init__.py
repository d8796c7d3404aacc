"""The products of light curves. A new one is a folder, or a module, here and a line in `PRODUCTS`."""

from collections.abc import Iterable

from pipeline.segment.products.base import Product
from pipeline.segment.products.cross import Cross
from pipeline.segment.products.power_colors import PowerColors
from pipeline.segment.products.power_spectra import PowerSpectra

PRODUCTS: tuple[Product, ...] = (
    PowerSpectra(),
    PowerColors(),
    Cross(),
)
"""Every product. The first one is always made: the fit works on it, and it has a row for every source."""


def chosen(names: Iterable[str]) -> tuple[Product, ...]:
    """Return the products with some names, in the order of `PRODUCTS`."""
    wanted = set(names)
    return tuple(product for product in PRODUCTS if product.name in wanted)


def named(name: str) -> Product:
    """Return the product with a name."""
    return next(product for product in PRODUCTS if product.name == name)
