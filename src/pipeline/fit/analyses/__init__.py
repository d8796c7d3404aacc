"""What is found out about the fits of a survey beside their best values: one module an analysis, one line here.

An analysis is declared light (neither NumPy nor JAX is imported with it): its name, its options and its columns. It
imports its work when it runs. `pipeline.config.fit` collects the options, `pipeline.columns.fits` the columns and
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
