"""The models of a survey fitted to one bucket of spectra, and the analyses of these fits."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from pipeline.config.fit import FitOptions
from pipeline.fit.analyses import ANALYSES, Analysis
from pipeline.fit.analyses.base import Findings, Subject
from pipeline.fit.engine import ahead, covariance
from pipeline.fit.engine.ahead import Foreseen
from pipeline.fit.engine.engine import Engine
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.search import proposals
from pipeline.fit.search.batch import Batch, ModelFit
from pipeline.fit.search.choice import best_model
from pipeline.fit.search.decompose import Criterion
from pipeline.fit.search.fit_model import base_of, fit_model
from pipeline.fit.significance import criteria
from pipeline.fit.tables.buckets import Bucket
from pipeline.fit.tables.outcome import has_result, statuses
from pipeline.fit.tables.seeds import Purpose, seed_words


@dataclass(frozen=True)
class Engines:
    """Makes the engines that fit models to a bucket.

    Attributes
    ----------
    bucket : Bucket
        The spectra.
    options : FitOptions
        How they are fitted.
    devices : sequence of jax.Device
        Where.
    """

    bucket: Bucket
    options: FitOptions
    devices: Sequence[jax.Device]

    def engine(self, model: Model) -> Engine:
        """Return the engine of a model."""
        return self._engine(model, self.options.precision)

    def single(self, model: Model) -> Engine:
        """Return the engine of a model in single precision."""
        return self._engine(model, "float32")

    def batch(self, model: Model) -> Batch:
        """Return the spectra with the engine of a model."""
        return Batch(self.engine(model), self.bucket.spectra, self.bucket.widths)

    def _engine(self, model, precision):
        options, block = self.options, self.options.block_size
        if self.devices[0].platform != "cpu":
            block = max(block, options.batch_size // len(self.devices))
        return Engine(
            PowerSpectrum(model, self.bucket.likelihood),
            block_size=block,
            tolerance=options.tolerance,
            max_iterations=options.max_iterations,
            precision=precision,
            devices=self.devices,
        )


@dataclass(frozen=True)
class ModelFindings:
    """Findings of all analyses of one model in a bucket; the last axis is the lane.

    Attributes
    ----------
    columns : dict of str to array, shape (lanes,)
        Columns of MODELS; None in the cells that an analysis has not filled.
    flags : int array, shape (lanes,)
        Flags to add to those of the fits.
    own : dict of str to Findings
        Rows of the own tables of analyses, by the name of the analysis. Their lanes are those of the bucket.
    """

    columns: dict[str, Shaped[np.ndarray, " lanes"]]
    flags: Int[np.ndarray, " lanes"]
    own: dict[str, Findings] = field(default_factory=dict)


@dataclass(frozen=True)
class BucketFit:
    """All models fitted to the spectra of a bucket.

    Attributes
    ----------
    bucket : Bucket
        The spectra.
    fits : sequence of ModelFit, length models
        The fits, in the order of the configuration.
    status : array of Status, shape (models, lanes)
        Status of each fit.
    best : int array, shape (lanes,)
        Number of the model that is chosen, -1 where none has a result.
    findings : sequence of ModelFindings, length models
        Findings of the analyses of each.
    """

    bucket: Bucket
    fits: Sequence[ModelFit]
    status: Shaped[np.ndarray, "models lanes"]
    best: Int[np.ndarray, " lanes"]
    findings: Sequence[ModelFindings]

    @property
    def bic(self) -> Float[np.ndarray, "models lanes"]:
        """BIC of every model."""
        return np.array([fit.bic for fit in self.fits])


def fit_bucket(
    bucket: Bucket,
    rows: Sequence[Mapping[str, Any]],
    options: FitOptions,
    devices: Sequence[jax.Device],
) -> BucketFit:
    """Fit each model of the survey to a bucket, choose the best of each spectrum, and analyse the fits.

    Parameters
    ----------
    bucket : Bucket
        Spectra.
    rows : sequence of mapping
        Their rows of SPECTRA.
    options : FitOptions
        Models, and how to fit them.
    devices : sequence of jax.Device
        Where to fit.
    """
    engines = Engines(bucket, options, devices)
    asked = [analysis for analysis in ANALYSES if analysis.asked_for(options)]
    subjects = _fitted(engines, rows)
    best = _choose(subjects)
    refined = [_refined(subject, best == k, asked) for k, subject in enumerate(subjects)]
    best = _choose(refined)  # again: a profile may have found a better optimum
    subjects = [replace(subject, chosen=best == k) for k, subject in enumerate(refined)]
    return BucketFit(
        bucket=bucket,
        fits=[subject.result for subject in subjects],
        status=_status_of(subjects),
        best=best,
        findings=_analysed(asked, subjects),
    )


def foreseen(
    buckets: Iterable[Bucket], options: FitOptions, devices: Sequence[jax.Device]
) -> Iterator[Foreseen]:
    """Yield the programs that fitting all models to some buckets will need, in order."""
    models = [Model.from_components(name, own) for name, own in options.models.items()]
    for bucket in buckets:
        engines = Engines(bucket, options, devices)
        sample = bucket.spectra.take(np.zeros(ahead.SAMPLE, int))
        for model in models:
            engine = engines.engine(model)
            objective, kind = engine.objective, options.errors
            yield from ahead.of_fit(engine, sample)
            yield from proposals.foreseen(model, bucket.likelihood, sample, devices[0])
            yield covariance.foreseen(objective, sample, engine.dtype, kind, devices[0])


def _fitted(engines: Engines, rows) -> list[Subject]:
    """Fit each model to the bucket; what has peaks begins where the same model without peaks has ended."""
    options = engines.options
    models = [Model.from_components(name, own) for name, own in options.models.items()]
    found: dict[int, Subject] = {}
    without: dict[Hashable, ModelFit] = {}
    has_peaks = [any(slot.declared.peak for slot in model.slots) for model in models]
    for k in np.argsort(has_peaks, kind="stable").tolist():
        model = models[k]
        batch = engines.batch(model)
        result = fit_model(
            batch,
            n_starts=options.starts,
            min_delta_bic=options.min_delta_bic,
            criterion=_criterion(model, engines, rows),
            errors=options.errors,
            base=without.get(base_of(model)),
        )
        if not has_peaks[k]:
            without[base_of(model)] = result
        nowhere = np.zeros(batch.n_lanes, bool)
        found[k] = Subject(options, rows, batch, result, nowhere, engines.single)
    return [found[k] for k in range(len(models))]


def _criterion(model: Model, engines: Engines, rows) -> Criterion | None:
    """Return the criterion by which a copy of a component stays; None is the BIC."""
    options, asked = engines.options, engines.options.criterion
    if asked.by == "bic":
        return None
    seeds = [seed_words(asked.seed, Purpose.CRITERION, row, model.name) for row in rows]
    if asked.by == "evidence":
        return criteria.by_evidence(seeds, least=options.min_delta_bic, draws=asked.draws)
    return criteria.by_p_value(
        engines.single(model),
        seeds,
        alpha=asked.alpha,
        draws=asked.draws,
        batch_size=options.batch_size,
    )


def _status_of(subjects: Sequence[Subject]) -> Shaped[np.ndarray, "models lanes"]:
    """Return the status of every fit."""
    return np.array([statuses(subject.result) for subject in subjects], object)


def _choose(subjects: Sequence[Subject]) -> Int[np.ndarray, " lanes"]:
    """Return the number of the best model in each lane, -1 where there is none."""
    return best_model(
        has_result(_status_of(subjects)),
        np.array([subject.result.n_free for subject in subjects]),
        np.array([subject.result.bic for subject in subjects]),
        subjects[0].options.min_delta_bic,
    )


def _refined(subject: Subject, chosen, asked: Sequence[Analysis]) -> Subject:
    """Return a model whose fits each analysis has refined."""
    subject = replace(subject, chosen=chosen)
    for analysis in asked:
        subject = replace(subject, result=analysis.refine(subject))
    return subject


def _analysed(asked: Sequence[Analysis], subjects: Sequence[Subject]) -> list[ModelFindings]:
    """Run the analyses on every model, one after the other: each knows the columns of those before."""
    lanes = subjects[0].batch.n_lanes
    later = [
        program
        for analysis in asked
        for subject in subjects
        for _, own in _parts(analysis, subject, np.flatnonzero(subject.chosen))
        for program in analysis.foreseen(own)
    ]
    with ahead.made_ahead(later):
        return _found(asked, subjects, lanes)


def _found(
    asked: Sequence[Analysis], subjects: Sequence[Subject], lanes: int
) -> list[ModelFindings]:
    """Run the analyses."""
    found = [ModelFindings({}, np.zeros(lanes, np.int64)) for _ in subjects]
    for analysis in asked:
        for subject, of_model in zip(subjects, found, strict=True):
            subject = replace(subject, known=of_model.columns)
            some = np.flatnonzero(analysis.lanes(subject))
            for part, own in _parts(analysis, subject, some):
                _enter(of_model, analysis, analysis.run(own), part)
        _compare(found, analysis)
    return found


def _parts(
    analysis: Analysis, subject: Subject, lanes: Int[np.ndarray, " some"]
) -> Iterator[tuple[Int[np.ndarray, " part"], Subject]]:
    """Yield lanes, and the subject in them, as an analysis wants them."""
    if analysis.simulates:
        yield from subject.parts(lanes)
    elif lanes.size:
        yield lanes, subject.take(lanes)


def _enter(of_model: ModelFindings, analysis: Analysis, new: Findings, lanes) -> None:
    """Enter the findings of an analysis in some lanes."""
    for name, cells in new.columns.items():
        column = of_model.columns.setdefault(name, _empty(cells, of_model.flags.size))
        for lane, cell in zip(lanes, cells, strict=True):
            column[lane] = cell
    if new.flags is not None:
        of_model.flags[lanes] |= new.flags
    if new.own_lane is not None:
        of_model.own[analysis.name] = replace(new, own_lane=lanes[new.own_lane])


def _empty(cells, lanes: int) -> np.ndarray:
    """Return a column without values: NaN of numbers with a fraction, else None."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
        return np.full(lanes, np.nan)
    return np.full(lanes, None, object)


def _compare(found: Sequence[ModelFindings], analysis: Analysis) -> None:
    """Enter the columns that follow from those of all models together."""
    names = [column.name for column in analysis.columns]
    numbers = {
        name: np.array([of_model.columns[name] for of_model in found])
        for name in names
        if all(name in m.columns and m.columns[name].dtype.kind == "f" for m in found)
    }
    for name, cells in analysis.compare(numbers).items():
        for of_model, own in zip(found, cells, strict=True):
            of_model.columns[name] = own
