"""Fit the models of a survey to the power spectra of one shard, a batch at a time."""

import logging
from pathlib import Path

import numpy as np

from pipeline import tables
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS, SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.fit.engine import devices
from pipeline.fit.engine.blocks import on_cores
from pipeline.fit.engine.engine import Engine
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.curves import component_power
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.search.fit_model import fit_model
from pipeline.fit.significance import criteria, predictive
from pipeline.fit.significance.qpo_test import columns_of_tests
from pipeline.fit.tables import buckets, lines, results, samples
from pipeline.fit.tables.seeds import Purpose, seed_words
from pipeline.fit.uncertainty import hmc, importance
from pipeline.fit.uncertainty.intervals import add_profiles
from pipeline.status import HAS_RESULT, Flag, Status

log = logging.getLogger(__name__)


def run(
    *,
    input: Path,
    models: Path,
    parameters: Path,
    curves: Path,
    samples: Path,
    options: FitOptions,
) -> None:
    """Fit every power spectrum of a shard.

    Parameters
    ----------
    input : Path
        SPECTRA table of the shard.
    models, parameters, curves, samples : Path
        MODELS, PARAMETERS, CURVES and SAMPLES tables to write. Every spectrum, usable or not, has at least
        one row in MODELS.
    options : FitOptions
        Section `fit` of the configuration.
    """
    with (
        # closed in reverse: where MODELS is, the others are
        tables.parquet_writer(models, MODELS) as to_models,
        tables.parquet_writer(parameters, PARAMETERS) as to_parameters,
        tables.parquet_writer(curves, CURVES) as to_curves,
        tables.parquet_writer(samples, SAMPLES) as to_samples,
    ):
        writers = to_models, to_parameters, to_curves, to_samples
        batches = tables.read_batches(input, SPECTRA, options.batch_size)
        # while a batch is fitted the next is read and the last one written
        fitted = (fit_rows(rows, options) for rows in tables.ahead(batches))
        for rows_of_tables in tables.ahead(fitted):
            for write, more in zip(writers, rows_of_tables, strict=True):
                write(more)


def fit_rows(rows, options: FitOptions):
    """Fit rows of SPECTRA and return the rows of MODELS, PARAMETERS, CURVES and SAMPLES.

    Parameters
    ----------
    rows : list of dict
        Spectra, as `pipeline.tables.rows_of` returns them.
    options : FitOptions
        Models, and how to fit them.
    """
    used = devices.configure(options.platform, options.precision, options.compilation_cache)
    log.info("fitting %d spectra on %d x %s", len(rows), len(used), used[0].platform)
    weighted = [buckets.with_errors_only(row, options.likelihood) for row in rows]
    follow = [row.get("errors_follow", False) for row in weighted]
    rows = [{**row, "errors_follow": f} for row, f in zip(rows, follow, strict=True)]
    masks = [_mask(row, options) for row in weighted]
    fits = {lane: [] for lane in range(len(rows))}
    filled = buckets.in_buckets(weighted, masks, options.batch_size, average=options.bin_average)

    def fit(bucket):
        return list(_fit_bucket(bucket, [rows[lane] for lane in bucket.lanes], options, used))

    # side by side on CPUs, where programs for one length compile on one core; one device stands for all
    for bucket, fitted in zip(filled, on_cores(fit, filled, used[:1]), strict=True):
        for result, power, more, draws in fitted:
            for k, lane in enumerate(bucket.lanes):
                fits[lane].append((result, k, power, more[k], draws[k]))
    out = [], [], [], []
    for lane, row in enumerate(rows):
        for table, more in zip(
            out, _rows_of_lane(row, masks[lane], fits[lane], options), strict=True
        ):
            table.extend(more)
    return out


def _mask(row, options):
    """Usable bins of a row; none where an earlier stage gave up on it."""
    if Status(row["status"]) is not Status.OK:
        return np.zeros(len(row["frequency"]), bool)
    good = buckets.usable(row, options.frequency_range)
    if options.lines == "cut" and len(row["n"]):
        good[good] = ~lines.alone(*(row[name][good] for name in ("frequency", "power", "n")))
    if options.high_pass == "cut":
        good &= row["frequency"] >= buckets.corner(row, good)
    return good


def _cut(usable, mask) -> Flag:
    """Return the flags of usable bins that were left out: below the first that is fitted, and above it."""
    first = np.argmax(mask)
    filtered = Flag.HIGH_PASSED if usable[:first].any() else Flag(0)
    return filtered | (Flag.LINES_CUT if (usable & ~mask)[first:].any() else Flag(0))


def _fit_bucket(bucket, rows, options, used):
    """Fit each model of the survey to a bucket; yield each with what is known of it beside.

    The fits come with the profiles they need: what is chosen gets errors from profiles; of the other models
    weak components get upper limits only. With them come the power of their components, None where no lane
    has chosen the model, further columns of MODELS, a dictionary a lane, and rows of SAMPLES, a list a lane.
    """
    data, engines, fits = (bucket.spectra, bucket.widths), {}, {}
    for name, components in options.models.items():
        model = Model.from_components(name, components)
        engines[name] = _engine(model, bucket, options, used)
        fits[name] = fit_model(
            engines[name],
            *data,
            n_starts=options.starts,
            min_delta_bic=options.min_delta_bic,
            criterion=_criterion(model, bucket, rows, options, used),
            errors=options.errors,
        )
    best = _best(list(fits.values()), options.min_delta_bic)
    for k, name in enumerate(fits):
        fits[name] = add_profiles(
            engines[name],
            *data,
            fits[name],
            which=options.profile,
            chosen=best == k,
            levels=options.levels,
            limit_level=options.upper_limit,
            batch_size=options.batch_size,
        )
    # again: a profile may have found a better optimum
    best = _best(list(fits.values()), options.min_delta_bic)

    def engine_of(model):  # in single precision: a ratio is wanted to 0.01
        return _engine(model, bucket, options, used, precision="float32")

    tests = columns_of_tests(bucket, rows, fits, best, options, engine_of)
    for k, (name, result) in enumerate(fits.items()):
        told = result.model, bucket.spectra, result.active, result.fit.u
        power = component_power(*told) if (best == k).any() else None
        more = _evidence(engines[name], result, bucket, rows, options)
        for lane, columns_of_test in tests.get(name, {}).items():
            more[lane] |= columns_of_test
        for lane, columns_of_check in _check(bucket, rows, result, best == k, options, used):
            more[lane] |= columns_of_check
        draws = _samples(engines[name], result, best == k, more, bucket, rows, options)
        yield result, power, more, draws


def _criterion(model, bucket, rows, options, used):
    """Return what decides whether a copy of a component stays; None is the BIC."""
    told = options.criterion
    if told.by == "bic":
        return None
    seeds = [seed_words(told.seed, Purpose.CRITERION, row, model.name) for row in rows]
    if told.by == "evidence":
        return criteria.by_evidence(seeds, least=options.min_delta_bic, draws=told.draws)
    return criteria.by_p_value(
        _engine(model, bucket, options, used, precision="float32"),
        seeds,
        alpha=told.alpha,
        draws=told.draws,
        n_starts=options.starts,
        batch_size=options.batch_size,
    )


def _evidence(engine, result, bucket, rows, options):
    """Return the columns of the evidence, a dictionary a lane of the bucket; empty where not asked for."""
    if options.evidence is None:
        return [{} for _ in rows]
    words = [
        seed_words(options.evidence.seed, Purpose.EVIDENCE, row, result.model.name) for row in rows
    ]
    told = engine, bucket.spectra, bucket.widths, result, words
    found = importance.sample(*told, draws=options.evidence.draws)
    return [found.columns(lane) for lane in range(len(rows))]


def _samples(engine, result, chosen, more, bucket, rows, options):
    """Sample a model by chains where it is chosen and its draws are wanted.

    Returns rows of SAMPLES, a list a lane of the bucket, and enters what the chains are worth in `more`, its
    columns of MODELS.
    """
    told, out = options.samples, [[] for _ in rows]
    if told is None:
        return out
    doubtful = [told.flagged and m.get("pareto_k", 0.0) > importance.GOOD_K for m in more]
    named = [told.names(row["source_id"]) for row in rows]
    lanes = np.flatnonzero(chosen & (np.array(named) | doubtful) & (result.n_free > 0))
    if lanes.size:
        some = result.take(lanes)
        name = result.model.name
        seeds = [seed_words(told.seed, Purpose.SAMPLES, rows[lane], name) for lane in lanes]
        data = bucket.spectra.take(lanes), bucket.widths[:, lanes]
        chains = hmc.sample_chains(engine, *data, some, seeds, draws=told.draws)
        for k, lane in enumerate(lanes):
            out[lane] = samples.sample_rows(rows[lane], some, chains, k)
            more[lane] |= samples.columns(chains, k)
    return out


def _check(bucket, rows, result, chosen, options, used):
    """Check a model where it is chosen; yield lanes of the bucket, and the columns of MODELS of each."""
    told, lanes = options.outliers, np.flatnonzero(chosen)
    if told is None or not lanes.size:
        return
    checked = predictive.check(
        _engine(result.model, bucket, options, used, precision="float32"),
        bucket.spectra.take(lanes),
        bucket.widths[:, lanes],
        result.take(lanes),
        [seed_words(told.seed, Purpose.OUTLIERS, rows[lane], result.model.name) for lane in lanes],
        scales=told.scales,
        draws=told.draws,
        enough=told.enough,
        batch_size=options.batch_size,
    )
    for i, lane in enumerate(lanes):
        yield lane, checked.columns(i)


def _engine(model, bucket, options, used, precision=None):
    """Return the engine that fits a model to a bucket."""
    block = options.block_size
    if used[0].platform != "cpu":
        block = max(block, options.batch_size // len(used))
    return Engine(
        PowerSpectrum(model, bucket.likelihood),
        block_size=block,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
        precision=precision or options.precision,
        devices=used,
    )


def _best(fits, min_delta_bic):
    """Number of the model that `pipeline.fit.significance.criteria.choose` takes in each lane, -1 where there is none, shape (lanes,)."""
    lanes = range(fits[0].bic.size)
    known = [[results.lane_status(f, lane) in HAS_RESULT for lane in lanes] for f in fits]
    bic = np.where(known, [f.bic for f in fits], np.nan)
    return criteria.choose(bic, np.array([f.n_free for f in fits]), min_delta_bic)


def _rows_of_lane(row, mask, fits, options):
    """Return the rows of MODELS, PARAMETERS, CURVES and SAMPLES of one spectrum."""
    if not fits:
        return [_no_fit(row, int(mask.sum()))], [], [], []
    bins = int(mask.sum())
    models = [
        {**results.model_row(row, result, k), "n_bins": bins, **more}
        for result, k, _, more, _ in fits
    ]
    cut = _cut(buckets.usable(row, options.frequency_range), mask)
    for model in models:
        model["flags"] |= int(cut)
    best = _best_row(models, options.min_delta_bic)
    if options.evidence:
        told = [[m["log_evidence"] for m in models], [m["pareto_k"] for m in models]]
        for model, probability in zip(models, importance.probabilities(*told), strict=True):
            model["probability"] = float(probability)
    if options.outliers:
        for model in models:
            if model.get("t_sse_p_value", 1.0) <= options.outliers.alpha:
                model["flags"] |= int(Flag.POOR_FIT)
            if model.get("t_sse_low_p_value", 1.0) <= options.outliers.alpha:
                model["flags"] |= int(Flag.TOO_GOOD_FIT)
    parameters = []
    for k, (model, fit) in enumerate(zip(models, fits, strict=True)):
        model["best"] = k == best
        model["delta_bic"] = model["bic"] - (np.nan if best is None else models[best]["bic"])
        parameters += [{**p, "best": k == best} for p in results.parameter_rows(row, *fit[:2])]
    curves = [] if best is None else [results.curve_row(row, mask, *fits[best][:3])]
    draws = [] if best is None else fits[best][4]
    if draws and not samples.good(models[best]):
        models[best]["flags"] |= int(Flag.POSTERIOR_UNMIXED)
    return models, parameters, curves, draws


def _best_row(models, min_delta_bic):
    """Number of the MODELS row that `pipeline.fit.significance.criteria.choose` takes, or None where none has a result."""
    bic = [[m["bic"] if m["status"] in HAS_RESULT else np.nan] for m in models]
    n_free = np.array([[m["n_free"]] for m in models])
    (best,) = criteria.choose(np.array(bic), n_free, min_delta_bic)
    return None if best < 0 else int(best)


def _no_fit(row, bins):
    """MODELS row of a spectrum that was not fitted, with the reason."""
    status, reason = Status(row["status"]), row["reason"]
    if status is Status.OK:
        status = Status.BAD_SPECTRUM
        reason = (
            f"{bins} usable frequency bins, {buckets.MIN_BINS} are needed: lengthen segment.segment_size"
            " or widen fit.frequency_range"
        )
    return {
        "source_id": row["source_id"],
        "product": row["product"],
        "status": status,
        "reason": reason,
        "norm": row["norm"],
        "n_bins": bins,
    }
