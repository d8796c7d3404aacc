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
_DECLARED = [value for module in _MODULES for value in vars(module).values()]
_DECLARED += [product.table for product in PRODUCTS]
_DECLARED += [analysis.table for analysis in ANALYSES]

TABLES = {table.name: table for table in _DECLARED if isinstance(table, Table)}
"""Every table that a module of this package, a product of `segment` or an analysis of `fit` declares, by its name."""

CATALOGUE = (SOURCES, EPOCHS, MODELS, PARAMETERS, OBSERVATIONS, REJECTED)
"""Tables that are published, in the order of the FITS extensions."""
