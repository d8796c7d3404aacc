"""All tables by name, and those that are published.

Parquet schemas and metadata, FITS cards, VOTable fields, the documentation of the catalogue and
the validation of what a stage reads all come from these declarations.
"""

from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS, SAMPLES
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.columns.simulate import TRUTH
from pipeline.columns.spectra import SPECTRA

TABLES = {
    t.name: t
    for t in (
        OBSERVATIONS,
        LISTING,
        INGEST,
        SPECTRA,
        MODELS,
        PARAMETERS,
        CURVES,
        SAMPLES,
        SOURCES,
        EPOCHS,
        REJECTED,
        TRUTH,
    )
}

CATALOGUE = (SOURCES, EPOCHS, MODELS, PARAMETERS, OBSERVATIONS, REJECTED)
"""Tables that are published, in the order of the FITS extensions."""
