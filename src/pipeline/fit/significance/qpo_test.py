"""Is the QPO of each spectrum needed, or one more narrow peak where it has none? Columns of MODELS.

The null model is the chosen one without its QPO (`pipeline.fit.significance.detection.peak_to_test`), or as it is where it has none; what
joins it is the peak that the configuration names, where the QPO is, or wherever it does most. In the draws it is looked
for everywhere. So every spectrum is tested once, of something narrow, and false-discovery rates count all of them.
"""

from dataclasses import replace

import numpy as np

from pipeline.fit.model.model import Model
from pipeline.fit.search.starts import peaks_along
from pipeline.fit.significance.detection import amplitude_limits, detect_peak, peak_to_test
from pipeline.fit.tables.derived import calibration_of, rms_of
from pipeline.fit.tables.seeds import Purpose, seed_words
from pipeline.fit.uncertainty.resolution import places


def columns_of_tests(bucket, rows, fits, best, options, engine_of) -> dict:
    """Test each spectrum for its QPO, and limit one where there is none; see `DetectionOptions`.

    Parameters
    ----------
    bucket : pipeline.fit.tables.buckets.Bucket
        Spectra.
    rows : sequence of mapping
        Their SPECTRA rows.
    fits : mapping of str to ModelFit
        By the names of the models, in the order of the configuration.
    best : int array, shape (lanes,)
        Number of the model that is chosen in each lane, -1 where none is.
    options : FitOptions
        With `detection`, or there is nothing to do.
    engine_of : callable
        Returns the engine of a model.

    Returns
    -------
    dict
        Columns of MODELS by the name of the model and the lane of the bucket.
    """
    told, out = options.detection, {}
    for k, (name, result) in enumerate(fits.items()):
        lanes = np.flatnonzero(best == k)
        if told is None or not lanes.size:
            continue
        spectra, widths = bucket.spectra.take(lanes), bucket.widths[:, lanes]
        result, own = result.take(lanes), [rows[lane] for lane in lanes]
        slots = peak_to_test(result, spectra, widths, told.min_q)
        active, has = result.active.copy(), slots >= 0
        active[slots[has], np.flatnonzero(has)] = False
        null = replace(result, active=active)
        at = np.where(has, slots, 0), np.arange(lanes.size)
        frequency, fwhm = (
            np.where(has, of[at], np.nan) for of in places(result.model, result.fit.u)
        )
        components = [*options.models[name], told.component]
        engine = engine_of(Model.from_components(name, components))
        found = detect_peak(
            engine,
            spectra,
            widths,
            null,
            [seed_words(told.seed, Purpose.DETECTION, row, name) for row in own],
            keep_places=True,
            around=(frequency - fwhm / 2, frequency + fwhm / 2),
            n_starts=options.starts,
            draws=told.draws,
            enough=told.enough,
            batch_size=options.batch_size,
        )
        labels = [result.model.slots[s].label if s >= 0 else "" for s in slots]
        columns = [{"lrt_component": label, **found.columns(i)} for i, label in enumerate(labels)]
        quiet = np.flatnonzero(~has & (found.p_value > told.alpha))
        if quiet.size and told.limits and engine.objective.model.slots[-1].declared.may_be_qpo:
            part = spectra.take(quiet), widths[:, quiet], null.take(quiet)
            limits = _limits(engine, *part, [own[i] for i in quiet], options)
            for i, more in zip(quiet, limits, strict=True):
                columns[i] |= more
        out[name] = dict(zip(lanes.tolist(), columns, strict=True))
    return out


def _limits(engine, spectra, widths, null, rows, options):
    """Yield the columns of the upper limits of each lane."""
    told, declared = options.detection, engine.objective.model.slots[-1].declared
    frequency, peaks = peaks_along(declared, spectra, told.limits, told.limit_q)
    told_of_search = {"level": options.upper_limit, "batch_size": options.batch_size}
    peaks[:, 0] = amplitude_limits(engine, spectra, widths, null, peaks, **told_of_search)
    calibration = calibration_of(rows)
    rms = np.array([rms_of(declared, values, calibration) for values in peaks])
    for k in range(len(rows)):
        yield {"limit_frequency": frequency[:, k], "limit_rms": rms[:, k]}
