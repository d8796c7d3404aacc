"""Options of `fit`: models, and how they are fitted, compared and checked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.components import COMPONENTS, Component, find, search_in
from pipeline.config.base import Count, Fraction, Options, Positive, with_keys
from pipeline.config.models import ComponentOptions, check_ties
from pipeline.fit.analyses import ANALYSES


class CriterionOptions(Options):
    """What decides whether one more copy of a component stays."""

    by: Literal["bic", "evidence", "p_value"] = Field(
        "bic",
        description="`bic`: the copy lowers the BIC by more than `min_delta_bic`. `evidence`: it raises "
        "twice the logarithm of the evidence by as much. `p_value`: noise imitates it less often "
        "than `alpha`, in simulations of each spectrum.",
    )
    alpha: Fraction = Field(0.01, description="Largest p-value of a copy that stays.")
    draws: int = Field(
        512,
        ge=128,
        description="Number of draws from the posterior, or of simulated spectra, for each copy.",
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")


class _Fits(Options):
    """Options of the fits themselves."""

    models: dict[str, list[ComponentOptions]] = Field(
        default_factory=lambda: {
            "noise": ["constant"],
            "power_law": ["constant", "power_law"],
            "power_law_qpo": ["constant", "power_law", "lorentzian"],
        },
        validate_default=True,
        description="Models by name, each a list of components. For each product the model with the lowest "
        "BIC is chosen.",
    )
    frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies to fit, Hz: [lo, hi]; null: all."
    )
    high_pass: Literal["keep", "cut"] = Field(
        "keep",
        description="`cut`: leave out the lowest frequencies where their power is less than a tenth of the "
        "largest, as after a high-pass filter of the light curve of a star. Not for spectra in "
        "which a peak stands far above all lower frequencies.",
    )
    lines: Literal["keep", "cut"] = Field(
        "keep",
        description="`cut`: leave out bins whose power is twice the highest power at 4 to 12 % from their "
        "frequency, on both sides, and more than chance allows, as of an instrumental line "
        "beside the modes of a star. Not for spectra in which a peak of Q > 10 is sought.",
    )
    bin_average: bool | Literal["auto"] = Field(
        "auto",
        description="Whether the model is averaged over each frequency bin, or taken at its centre. `auto`: "
        "it is averaged where bins differ in width, as after logarithmic rebinning.",
    )
    likelihood: Literal["auto", "gaussian", "gaussian_model"] = Field(
        "auto",
        description="Likelihood of power spectra of which only errors are known; where n is known, it is the "
        "gamma likelihood. `gaussian`: with the errors as they are. `gaussian_model`: with the "
        "variance of the model, S^2 / n with n = (power / error)^2, for errors that are the "
        "power over the root of n. `auto`: `gaussian_model` where the errors are such, else "
        "`gaussian`, with errors that follow the power replaced by those of their neighbours.",
    )
    min_delta_bic: float = Field(
        0.0,
        ge=0,
        description="Fall of the BIC above which a larger model, or one more copy of a component, is chosen.",
    )
    criterion: CriterionOptions = Field(
        default_factory=CriterionOptions,
        description="Criterion by which one more copy of a component (`up_to`) stays.",
    )
    precision: Literal["float64", "float32"] = Field(
        "float64", description="Floating-point type of the fits."
    )
    batch_size: Count = Field(4096, description="Spectra that are on the device at a time.")
    block_size: Count = Field(64, description="Spectra that iterate together.")
    max_iterations: Count = Field(200, description="Largest number of iterations of a fit.")
    tolerance: Positive = Field(
        1e-6,
        description="A fit has converged when the next step promises a change of -2 ln L below this.",
    )
    starts: Count = Field(
        4, description="Number of starting points for each added peak, found from the residuals."
    )
    errors: Literal["observed", "fisher", "sandwich"] = Field(
        "observed",
        description="Covariance behind the errors: the inverse of the observed or of the expected (Fisher) "
        "information. `sandwich` also holds where n or the distribution of the power is wrong.",
    )
    profile: Literal["weak", "all", "none"] = Field(
        "weak",
        description="Components that get errors and limits from the profile of the likelihood. `weak`: those "
        "less than two sigma from zero or at a bound. `all`: every one. `none`: no component.",
    )
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=list,
        description="Levels, in addition to 68.3 %, at which profiled parameters get an interval: [0.9, "
        "0.9545].",
    )
    upper_limit: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Confidence of limits: of upper limits of weak components, and of the limit of an "
        "interval that is open on the other side.",
    )


if TYPE_CHECKING:

    class _WithAnalyses(_Fits):
        def __getattr__(self, name: str) -> Any: ...

else:
    _OF_ANALYSES = {
        analysis.name: (analysis.options | None, Field(None, description=analysis.description))
        for analysis in ANALYSES
        if analysis.options is not None
    }
    _WithAnalyses = with_keys(_Fits, _OF_ANALYSES)


class FitOptions(_WithAnalyses):
    """Models and how they are fitted."""

    platform: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="`auto`: a GPU where there is one, else the CPU."
    )
    compilation_cache: str | None = Field(
        None,
        description="Folder of JAX's compilation cache, local to the node; null: a folder under the system's "
        "temporary folder.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="Cores of a fit job. 0: on a GPU all that the workflow has, else its share of them, "
        "because shards side by side on a core each are done sooner than one after the other on "
        "all.",
    )
    components_folder: str | None = Field(
        None,
        description="Folder from which components `module:name` are imported, after PYTHONPATH; null: the "
        "folder of the configuration file.",
    )

    @model_validator(mode="before")
    @classmethod
    def _look_in_folder(cls, values: Any) -> Any:
        """Let components be imported from the folder before they are looked for."""
        folder = values.get("components_folder") if isinstance(values, dict) else None
        if isinstance(folder, str):
            search_in(Path(folder).expanduser().resolve())
        return values

    @field_validator("models")
    @classmethod
    def _not_empty(
        cls, models: dict[str, list[ComponentOptions]]
    ) -> dict[str, list[ComponentOptions]]:
        if not models:
            raise ValueError("must name at least one model")
        for name, components in models.items():
            if not components:
                raise ValueError(f"model {name!r} has no component")
            try:
                check_ties(components)
            except ValueError as error:
                raise ValueError(f"model {name!r}: {error}") from error
        return models

    @property
    def user_components(self) -> list[Component]:
        """The components of its models and analyses that are not built in, each once, by name."""
        sections = [value for _, value in self if isinstance(value, Options)]
        values = [value for section in sections for _, value in section]
        named = [value for value in values if isinstance(value, ComponentOptions)]
        names = {c.name for model in (*self.models.values(), named) for c in model}
        return [find(name) for name in sorted(names - COMPONENTS.keys())]
