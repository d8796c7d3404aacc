"""Analyses of the fits of a survey: errors from profiles, evidence, samples, detection, outliers.

Each is one module here and one line below. The declaration, its name, options and columns, imports neither NumPy nor
JAX; an analysis imports its mathematics when it runs. `pipeline.config.fit` collects the options, `pipeline.columns.fits` the columns and
the tables; `pipeline.fit.driver` runs the analyses in this order, so that one may use the columns of those before.
"""

from pipeline.fit.analyses.base import Analysis
from pipeline.fit.analyses.detection import Detection
from pipeline.fit.analyses.evidence import Evidence
from pipeline.fit.analyses.outliers import Outliers
from pipeline.fit.analyses.profiles import Profiles
from pipeline.fit.analyses.samples import Samples

ANALYSES: tuple[Analysis, ...] = (
    Profiles(),
    Evidence(),
    Samples(),
    Detection(),
    Outliers(),
)
"""All analyses, in the order in which they run and have their columns in MODELS."""
