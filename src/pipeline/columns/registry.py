"""All tables by name, and those that are published.

Parquet schemas and metadata, FITS cards, VOTable fields, the documentation of the catalogue and
the validation of what a stage reads all come from these declarations.
"""

from pipeline.columns import catalogue, fits, ingest, observations, simulate, spectra
from pipeline.columns.base import Table
from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.fit.analyses import ANALYSES
from pipeline.segment.products import PRODUCTS

_MODULES = (observations, ingest, spectra, fits, catalogue, simulate)
_DECLARED = [table for module in _MODULES for table in vars(module).values()]

TABLES: dict[str, Table] = {
    table.name: table
    for table in (*_DECLARED, *(one.table for one in (*PRODUCTS, *ANALYSES)))
    if isinstance(table, Table)
}
"""Every table that a module of this package, a product of `segment` or an analysis of `fit` declares, by its name."""

CATALOGUE = (SOURCES, EPOCHS, MODELS, PARAMETERS, OBSERVATIONS, REJECTED)
"""Tables that are published, in the order of the FITS extensions."""
