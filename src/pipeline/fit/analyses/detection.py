"""Is the QPO of each spectrum needed, or one more narrow peak where it has none?

The null model is the chosen one without its QPO (`pipeline.fit.significance.detection.peak_to_test`), or as it is
where it has none. The peak that joins it is the one that the configuration names: it is searched for where the QPO
is, or where there is none, wherever it does most. In the draws it is searched for everywhere. So every spectrum is
tested once, for something narrow, and false-discovery rates count all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline.columns.base import Column
from pipeline.components import find
from pipeline.config.base import Count, Fraction, Options, Positive
from pipeline.config.models import ComponentOptions
from pipeline.fit.analyses.base import Analysis, Findings, Subject
from pipeline.fit.tables.seeds import Purpose

if TYPE_CHECKING:
    import numpy as np

    from pipeline.fit.engine.ahead import Foreseen
    from pipeline.fit.model.model import Model
    from pipeline.fit.search.batch import Batch, ModelFit
    from pipeline.fit.significance.detection import Detection as Test


class DetectionOptions(Options):
    """Test of one more peak, calibrated by simulation."""

    component: ComponentOptions = Field(
        default_factory=lambda: {"lorentzian_numax": {"q": {"bounds": [2, 100]}}},
        validate_default=True,
        description="Component of the peak, as in a model; by default a narrow Lorentzian.",
    )
    draws: Count = Field(
        1000,
        description="Largest number of spectra drawn from the model without the peak, for each source.",
    )
    enough: Count = Field(
        20,
        description="Number of draws with a likelihood ratio as large as that of the data, at which the "
        "simulation ends.",
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")
    alpha: Fraction = Field(
        0.01,
        description="p-value above which no peak counts as found, and upper limits are given instead.",
    )
    limits: int = Field(
        12,
        ge=0,
        description="Number of frequencies at which the rms of a Lorentzian is limited where no peak was "
        "found; 0: none.",
    )
    limit_q: Positive = Field(
        10.0, description="Quality factor of the Lorentzian whose rms is limited."
    )
    min_q: Positive = Field(
        2.0,
        description="Quality factor that a QPO exceeds. The most prominent Lorentzian of the chosen model "
        "above it is tested, against the same model without it; where there is none, one more "
        "peak is tested.",
    )

    @field_validator("component")
    @classmethod
    def _a_peak(cls, component: ComponentOptions) -> ComponentOptions:
        if not find(component.name).peak:
            raise ValueError(f"{component.name} is not a peak")
        return component


class Detection(Analysis):
    """Test of the QPO of the chosen model or of one more narrow peak, and limits where none is found."""

    name = "detection"
    simulates = True
    options = DetectionOptions
    description = (
        "Test whether the chosen model needs its QPO or, where it has none, one more narrow peak; "
        "null: none. Fills `qpo_p_value` and `qpo_q_value`."
    )
    columns = (
        Column(
            "lrt_component",
            "str",
            "Component tested against the model without it; empty where one more peak was tested.",
            ucd="meta.id.part",
        ),
        Column(
            "lrt_frequency",
            "float64",
            "Centroid of the peak that was tested, where it lowers -2 ln L most.",
            "Hz",
            "em.freq",
        ),
        Column(
            "lrt_fwhm",
            "float64",
            "Full width at half maximum of the peak that was tested.",
            "Hz",
            "em.freq;spect.line.width",
        ),
        Column(
            "lrt_ratio",
            "float64",
            "Fall of -2 ln L when the tested peak joins the model; NaN where not tested.",
            "",
            "stat.likelihood",
        ),
        Column(
            "lrt_p_value",
            "float64",
            "Probability of that fall or more without the peak, from simulations.",
            "",
            "stat.probability",
        ),
        Column(
            "lrt_p_error",
            "float64",
            "Standard error of log10 of lrt_p_value; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            "lrt_draws", "int32", "Number of simulations fitted.", ucd="meta.number", of="lrt_ratio"
        ),
        Column(
            "lrt_reached",
            "int32",
            "Number of simulations that reached lrt_ratio.",
            ucd="meta.number",
            of="lrt_ratio",
        ),
        Column(
            "lrt_failed",
            "int32",
            "Number of simulations whose fit failed.",
            ucd="meta.number",
            of="lrt_ratio",
        ),
        Column(
            "lrt_method",
            "str",
            "How lrt_p_value was found: simulated, sequential, extrapolated, or below (it is an "
            "upper limit).",
            ucd="meta.code",
        ),
        Column(
            "limit_frequency",
            "float64",
            "Frequencies at which the rms of a peak that was not found is limited.",
            "Hz",
            "em.freq",
            array=True,
            vector=True,
        ),
        Column(
            "limit_rms",
            "float64",
            "Upper limits of its fractional rms at limit_frequency; NaN where the mean rate is "
            "unknown.",
            "",
            "src.var.amplitude;stat.max",
            array=True,
            vector=True,
        ),
    )

    def foreseen(self, subject: Subject) -> Iterable[Foreseen]:
        """Return the programs of the fits with one more peak."""
        import numpy as np

        from pipeline.fit.engine import ahead
        from pipeline.fit.search import proposals

        engine = subject.engine_of(self._larger(subject))
        batch = subject.batch.on(engine)
        sample = batch.spectra.take(np.zeros(ahead.SAMPLE, int))
        of_peak = batch.model.slots[-1].declared
        device = engine.devices[0]
        return [
            *ahead.of_fit(engine, sample),
            *proposals.foreseen(batch.model, batch.likelihood, sample, device, of_peak),
        ]

    def _larger(self, subject: Subject) -> Model:
        """Return the model with the peak that is tested."""
        from pipeline.fit.model.model import Model

        asked: DetectionOptions = subject.of("detection")
        components = subject.options.models[subject.model.name]
        return Model.from_components(subject.model.name, [*components, asked.component])

    def run(self, subject: Subject) -> Findings:
        """Test the QPO of a model, or one more peak."""
        import numpy as np

        from pipeline.fit.significance.detection import Range, detect_peak, peak_to_test
        from pipeline.fit.uncertainty.resolution import places

        asked: DetectionOptions = subject.of("detection")
        result = subject.result
        slots = peak_to_test(subject.batch, result, asked.min_q)
        has = slots >= 0
        active, lanes = result.active.copy(), np.arange(has.size)
        active[slots[has], lanes[has]] = False
        null = replace(result, active=active)
        frequency, fwhm = (
            np.where(has, place[np.where(has, slots, 0), lanes], np.nan)
            for place in places(result.model, result.fit.u)
        )
        batch = subject.batch.on(subject.engine_of(self._larger(subject)))
        found = detect_peak(
            batch,
            null,
            subject.seeds(asked.seed, Purpose.DETECTION),
            keep_places=True,
            around=Range(frequency - fwhm / 2, frequency + fwhm / 2),
            draws=asked.draws,
            enough=asked.enough,
            batch_size=subject.options.batch_size,
        )
        columns = _columns(found)
        columns["lrt_component"] = [result.model.slots[s].label if s >= 0 else "" for s in slots]
        quiet = np.flatnonzero(~has & (found.p.p_value > asked.alpha))
        return Findings(columns | _limits(subject, batch, null, quiet))


def _columns(found: Test) -> dict[str, Any]:
    """Return the columns of MODELS of a test."""
    return {
        "lrt_frequency": found.frequency,
        "lrt_fwhm": found.fwhm,
        "lrt_ratio": found.ratio,
        "lrt_p_value": found.p.p_value,
        "lrt_p_error": found.p.error_dex,
        "lrt_draws": found.p.draws,
        "lrt_reached": found.p.reached,
        "lrt_failed": found.p.failed,
        "lrt_method": found.p.method,
    }


def _limits(subject: Subject, batch: Batch, null: ModelFit, quiet: np.ndarray) -> dict[str, list]:
    """Return the columns of the upper limits, of the lanes in which no peak was found."""
    import numpy as np

    from pipeline.fit.search.starts import peaks_along
    from pipeline.fit.significance.detection import amplitude_limits
    from pipeline.fit.tables.derived import calibration_of, rms_of

    asked: DetectionOptions = subject.of("detection")
    declared = batch.model.slots[-1].declared
    if not (quiet.size and asked.limits and declared.may_be_qpo):
        return {}
    batch = batch.take(quiet)
    frequency, peaks = peaks_along(declared, batch.spectra, asked.limits, asked.limit_q)
    peaks[:, 0] = amplitude_limits(
        batch,
        null.take(quiet),
        peaks,
        level=subject.options.upper_limit,
        batch_size=subject.options.batch_size,
    )
    cells: dict[str, list] = {
        name: [[] for _ in subject.rows] for name in ("limit_frequency", "limit_rms")
    }
    calibration = calibration_of([subject.rows[lane] for lane in quiet])
    rms = np.array([rms_of(declared, values, calibration) for values in peaks])
    for k, lane in enumerate(quiet):
        cells["limit_frequency"][lane], cells["limit_rms"][lane] = frequency[:, k], rms[:, k]
    return cells
