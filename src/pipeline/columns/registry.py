"""All tables by name, and those that are published.

Parquet schemas and metadata, FITS cards, VOTable fields, the documentation of the catalogue and
the validation of what a stage reads all come from these declarations.
"""

from pipeline.columns import catalogue, fits, ingest, observations, simulate, spectra
from pipeline.columns.base import Table
from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS

TABLES = {
    table.name: table
    for module in (observations, ingest, spectra, fits, catalogue, simulate)
    for table in vars(module).values()
    if isinstance(table, Table)
}
"""Every table that is declared in a module of this package, by its name."""

CATALOGUE = (SOURCES, EPOCHS, MODELS, PARAMETERS, OBSERVATIONS, REJECTED)
"""Tables that are published, in the order of the FITS extensions."""
