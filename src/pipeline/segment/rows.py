"""From the observations of a product (rows of INGEST) to its averaged spectra (rows of SPECTRA)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.columns.spectra import SPECTRA
from pipeline.config.segment import SegmentOptions
from pipeline.pvalues import combine
from pipeline.segment import (
    average,
    between,
    coarsen,
    frames,
    leakage,
    lengths,
    observed,
    periodogram,
    pulses,
    rebin,
    stationarity,
    taper,
    variability,
)
from pipeline.segment.rebin import Spectrum
from pipeline.segment.series import Events, LightCurve
from pipeline.segment.unusable import Unusable
from pipeline.status import Flag, Status
from pipeline.tables import empty_row

IDENTITY = (
    *("source_id", "product", "kind", "mission", "instrument", "object"),
    *("ra", "dec", "band_lo", "band_hi"),
)
"""Columns that a product takes over from its first observation."""

TRAITS = ("kind", "dt", "frequency_lo", "frequency_hi", "norm", "noise", "n")
"""Columns that decide whether observations can be averaged."""

DAY = 86400.0

NON_STATIONARY = 1e-3
"""Probability of the scatter of the segments' power below which a source is flagged."""

_WEAK = f"its mean net rate is less than {average.SIGNIFICANT:g} of its errors"

NO_FLAG = Flag(0)

Reader = Callable[[int], dict]


def product_rows(read: Reader, count: int, options: SegmentOptions) -> list[dict]:
    """Return the rows of SPECTRA for a product.

    Parameters
    ----------
    read : callable
        Returns observation 0, 1, … `count` - 1 as a row of INGEST. It is called again rather than
        all observations kept in memory.
    count : int
        Number of observations.
    options : SegmentOptions
        Options.

    Returns
    -------
    list of dict
        One row, or more where observations differ too much to be averaged (in time resolution or
        in frequency bins): then the products are numbered from the second on. Where several lengths of
        a segment are asked for there is one for each that fits.
    """
    rows = []
    for number, members in enumerate(_alike(read, count), start=1):
        for row in _rows(lambda i, members=members: read(members[i]), len(members), options):
            mark = f"#{number}" if number > 1 else ""
            row |= {name: row[name] + mark for name in ("product", "series")}
            if row["status"] != Status.OK:
                row["observation_ids"] = sorted({read(i)["observation_id"] for i in members})
            rows.append(row)
    return rows


def failed_row(first: dict, status: str, reason: str, flags: int = 0) -> dict:
    """Return the row of a product without a result; `first` has at least the IDENTITY columns."""
    identity = {name: first[name] for name in IDENTITY}
    told = {"status": status, "reason": reason, "flags": flags, "series": first["product"]}
    return empty_row(SPECTRA) | identity | told


def _alike(read, count):
    """Group the observations that can be averaged; return lists of their numbers."""
    groups = []
    for i in range(count):
        row = read(i)
        traits = {k: row[k] for k in TRAITS}
        for first, members in groups:
            if _same(first, traits):
                members.append(i)
                break
        else:
            groups.append((traits, [i]))
    return [members for _, members in groups]


def _same(a, b):
    """Return whether observations with these traits can be averaged."""
    if a["kind"] != b["kind"]:
        return False
    if a["kind"] == "events":
        return True
    if a["kind"] == "lightcurve":
        return abs(a["dt"] - b["dt"]) <= 0.01 * a["dt"]
    return (
        a["norm"] == b["norm"]
        and np.isfinite(a["noise"]) == np.isfinite(b["noise"])
        and _of_ordinates(a) == _of_ordinates(b)
        and all(
            np.shape(a[k]) == np.shape(b[k]) and np.allclose(a[k], b[k], 1e-6, 0, equal_nan=True)
            for k in ("frequency_lo", "frequency_hi")
        )
    )


def _of_ordinates(row):
    """Return whether numbers of ordinates are known of a power spectrum that comes ready-made."""
    return len(row["n"]) > 0 or bool(np.isfinite(row["noise"]))


def _rows(read, count, options):
    """Return the rows of observations that are alike: one, or one for each length of a segment."""
    first = read(0)
    if first["kind"] == "spectrum":
        return [_row(first, _spectrum_row, read, count, options)]
    rows = {}
    for size, aim in lengths.wanted(options.segment_size, options.min_segments):
        row = _row(first, _timing_row, read, count, options, size, aim)
        # two of them may come to the same length, all that fail to none
        rows.setdefault(row["segment_size"] if row["status"] == Status.OK else size, row)
    good = [row for row in rows.values() if row["status"] == Status.OK]
    if len(rows) == 1 or not good:
        return [next(iter(rows.values()))]
    for row in good:
        row["product"] += f":{row['segment_size']:g}s"
        failed = [f"segments of {n} s: {r['reason']}" for n, r in rows.items() if r not in good]
        row["reason"] = "; ".join([row["reason"], *failed] if row["reason"] else failed)
    return good


def _row(first, make, read, count, options, *more):
    """Return the row that `make` makes, of which `first` is the first observation."""
    try:
        return _limited(make(read, count, options, *more), options)
    except Unusable as error:
        return failed_row(first, error.status, str(error), first["flags"])


def _limited(row, options):
    """Return a row whose spectrum has no more bins than are allowed."""
    names = tuple(Spectrum.__dataclass_fields__)
    spectrum = Spectrum(*(row[name] for name in names))
    less = coarsen.coarsen(spectrum, options.max_frequencies)
    if less is spectrum:
        return row
    return row | dict(vars(less)) | {"flags": row["flags"] | Flag.COARSENED}


def _timing_row(read, count, options, size, aim):
    """Average the periodograms of event lists or light curves."""
    steps = _time_steps(read, count, options.dt)
    bins = [_series(read(i), dt, options.max_gap).bins for i, dt in enumerate(steps)]
    longest = int(np.argmax([np.max(b, initial=0) for b in bins]))
    n_bin = lengths.segment_bins(bins, steps, options, size, aim, read(longest)["file"])
    used, periodograms, pulsations, unused, weak = [], [], [], [], []
    treated = taper.treatment(options.taper, options.detrend, n_bin, leaks=False)
    for i, dt in enumerate(steps):
        row = read(i)
        series = _series(row, dt, options.max_gap)
        try:
            periodograms.append(_periodogram(row, series, n_bin, *treated))
        except Unusable as error:
            unused.append(error)
            continue
        flags = Flag.GAPS_FILLED if series.gaps_filled else NO_FLAG
        if row["kind"] == "events" and series.tick:
            flags |= Flag.WHOLE_FRAMES
        used.append((i, _summary(row, flags)))
        weak.append("" if average.has_fraction(periodograms[-1]) else row["file"])
        frequency, _ = periodogram.frequencies(n_bin, dt, *treated)
        told = periodograms[-1], frequency, n_bin * dt, options.pulsations
        pulsations.append(pulses.of_observation(row, *told))
    if not used:
        raise unused[0]
    if any(weak) and not all(
        weak
    ):  # a few whose mean is lost in its error would be all of the average
        unused += [Unusable(Status.NO_DATA, f"{file}: {_WEAK}") for file in weak if file]
        used, periodograms, pulsations = (
            [one for one, file in zip(all_of, weak, strict=True) if not file]
            for all_of in (used, periodograms, pulsations)
        )
    p_leak, leaks = _leakage(periodograms)
    if leaks and "auto" in (options.taper, options.detrend):
        treated = taper.treatment(options.taper, options.detrend, n_bin, leaks=True)
        periodograms = [
            _periodogram(row, _series(row, steps[i], options.max_gap), n_bin, *treated)
            for i, row in ((i, read(i)) for i, _ in used)
        ]
    row = _described([summary for _, summary in used], unused)
    measured = _averaged(periodograms, pulsations, n_bin, steps[0], options, *treated)
    flags = row["flags"] | measured["flags"]
    flags |= Flag.LEAKAGE if leaks and treated[0] == "none" else NO_FLAG
    if not flags & Flag.NON_STATIONARY:
        high = average.noise_is_too_high(periodograms, bool(flags & Flag.GAPS_FILLED))
        flags |= Flag.NOISE_TOO_HIGH if high else NO_FLAG
    flag, remark = pulses.remarks(pulsations)
    row |= {
        "leakage_p": p_leak,
        "longest_interval": bins[longest].max() * steps[longest],
    } | pulses.columns(pulsations)
    row["reason"] = "; ".join(filter(None, (row["reason"], remark)))
    return row | measured | {"flags": flags | flag}


def _leakage(periodograms):
    """Return the probability that nothing leaks, and whether so much does that a window is needed."""
    norm = average.feasible_norm("frac", periodograms)
    factors = [average.factor(norm, p.mean_rate, p.background_rate) for p in periodograms]
    compared = [(p.compared, f) for p, f in zip(periodograms, factors, strict=True) if p.compared]
    assessed = leakage.assess(compared)
    return assessed.p_value, assessed.leaks


def _time_steps(read, count, requested):
    """Return the width of a bin of each observation, s."""
    rows = [{k: read(i)[k] for k in ("file", "kind", "dt", "tick")} for i in range(count)]
    if rows[0]["kind"] == "events":
        return frames.common_widths(requested, [r["dt"] for r in rows], [r["tick"] for r in rows])
    for row in rows:
        if not row["dt"] > 0:
            reason = f"{row['file']}: the width of the bins is not known; give it as TIMEDEL"
            raise Unusable(Status.BAD_TIME, reason)
    return [row["dt"] for row in rows]


def _series(row, dt, max_gap):
    """Cut an observation into uninterrupted intervals."""
    if row["kind"] == "events":
        return Events.cut(row["time"], row["gti_start"], row["gti_stop"], dt, row["tick"])
    columns = ("time", "rate", "rate_err", "fracexp", "gti_start", "gti_stop")
    return LightCurve.cut(*(row[c] for c in columns), dt, row["counting"], max_gap)


def _periodogram(row, series, n_bin, window, detrend):
    """Return the averaged periodogram of one observation, with its background."""
    if not (series.bins >= n_bin).any():
        raise Unusable(
            Status.TOO_SHORT,
            f"{row['file']}: no good time interval holds a segment of {n_bin} bins",
        )
    result = series.average(n_bin, window, detrend)
    if result is None or not result.mean_rate:
        raise Unusable(Status.NO_DATA, f"{row['file']}: every rate in its segments is 0")
    if not result.power.sum() / (n_bin * series.dt) > (1e-12 * result.mean_rate) ** 2:
        left = "" if detrend == "constant" else f", but for a {detrend} trend (segment.detrend)"
        raise Unusable(Status.NO_DATA, f"{row['file']}: the rate is the same in every bin{left}")
    if row["background_rate"] > 0:
        return replace(result, background_rate=row["background_rate"])
    return result


def _averaged(periodograms, pulsations, n_bin, dt, options, window, detrend):
    """Return the columns that come from averaging the observations' periodograms."""
    norm = average.feasible_norm(options.norm, periodograms)
    power, noise = average.combine(periodograms, norm)
    frequency, weight = periodogram.frequencies(n_bin, dt, window, detrend)
    inside = _in_range(frequency, options)
    kept = taper.TAPERS[window]
    df = kept.spacing / (n_bin * dt)
    m = np.array([p.m for p in periodograms])
    worth = between.effective_segments(*average.normalised(periodograms, norm), m) * kept.ordinates
    n = worth[inside] * weight[inside]
    backgrounds = np.array([p.background_rate for p in periodograms])
    flags = Flag.BACKGROUND if backgrounds.any() else NO_FLAG
    if m.sum() < options.min_segments:
        flags |= Flag.FEW_SEGMENTS
    chi2, dof = np.sum([p.scatter for p in periodograms], axis=0)
    each = average.normalised(periodograms, average.feasible_norm("frac", periodograms))
    apart = between.scatter(*each, m * kept.ordinates)
    stationary = combine([stationarity.p_value(chi2, dof), stationarity.p_value(*apart)])
    if stationary < NON_STATIONARY:
        flags |= Flag.NON_STATIONARY
    columns = {
        "stationarity_p": stationary,
        "dt": dt,
        "segment_size": n_bin * dt,
        "taper": window,
        "detrend": detrend,
        "m": int(m.sum()),
        "counts": sum(p.counts for p in periodograms),
        "norm": norm,
        "mean_rate": m @ [p.mean_rate for p in periodograms] / m.sum(),
        "background_rate": m @ backgrounds / m.sum() if backgrounds.any() else np.nan,
        "noise": noise,
        "flags": flags | Flag.RMS_UNKNOWN,
    }
    if average.feasible_norm("frac", periodograms) == "frac":
        squared, level = average.combine(periodograms, "frac")
        columns |= _rms(squared[inside], level, n, weight[inside] * df, flags)
        excess = average.combined_excess_variance(periodograms)
        columns |= dict(zip(("excess_variance", "excess_variance_err"), excess, strict=True))
    else:
        columns["flags"] |= Flag.INSIGNIFICANT_MEAN
    inside &= pulses.clean(frequency, pulsations)
    return columns | _bins(
        rebin.logarithmic(
            frequency[inside],
            weight[inside],
            power[inside],
            worth[inside],
            df,
            options.rebin,
        ),
        options,
    )


def _spectrum_row(read, count, options):
    """Average power spectra that come ready-made, of the same frequency bins."""
    rows, unused = [], []
    for row in map(read, range(count)):
        if len(row["power_err"]) or len(row["n"]):
            rows.append(row)
        else:
            reason = f"{row['file']}: the powers have no errors; give them as STAT_ERR"
            unused.append(Unusable(Status.BAD_SPECTRUM, reason))
    if not rows:
        raise unused[0]
    spectra = [_observed(row) for row in rows]
    ordinates = [max(float(s.n.sum()), 1.0) for s in spectra]
    norm, noise = rows[0]["norm"], np.average([row["noise"] for row in rows], weights=ordinates)
    exposures = None if any(len(row["n"]) for row in rows) else [row["exposure"] for row in rows]
    spectrum = observed.combine(spectra, exposures)
    spectrum = spectrum.keep(_in_range(spectrum.frequency, options))
    columns = _described([_summary(row) for row in rows], unused) | {"norm": norm, "noise": noise}
    columns["flags"] |= NO_FLAG if len(spectrum.n) else Flag.GAUSSIAN
    if norm == "frac" and np.isfinite(noise):
        width = spectrum.frequency_hi - spectrum.frequency_lo
        columns |= _rms(spectrum.power, noise, spectrum.n, width, columns["flags"])
    else:
        columns["flags"] |= Flag.RMS_UNKNOWN
    return columns | _bins(spectrum, options)


def _observed(row):
    """Return a power spectrum that comes ready-made, with its numbers of ordinates or its errors."""
    names = ("frequency_lo", "frequency_hi", "power")
    if len(row["n"]):
        return observed.from_ordinates(*(row[c] for c in names), row["n"])
    return observed.from_errors(*(row[c] for c in (*names, "power_err")), np.isfinite(row["noise"]))


def _rms(power, noise, n, width, flags):
    """Return the columns of the fractional rms, with a flag where there is none."""
    if np.isnan(noise):
        return {"flags": flags | Flag.RMS_UNKNOWN}
    value, lo, hi, limit = variability.rms(power, noise, n, width)
    flags |= Flag.NO_EXCESS if np.isnan(value) else NO_FLAG
    told = {"rms": value, "rms_err_lo": lo, "rms_err_hi": hi, "rms_limit": limit}
    return told | {"flags": flags}


def _bins(spectrum, options):
    """Return the array columns: the bins that a likelihood can be computed for."""
    if len(spectrum.n):
        spectrum = spectrum.keep(spectrum.power > 0)
    if not len(spectrum.power):
        wanted = options.frequency_range
        at = (
            f" between {wanted[0]:g} and {wanted[1]:g} Hz (segment.frequency_range)"
            if wanted
            else ""
        )
        raise Unusable(Status.BAD_SPECTRUM, f"no bin with a positive power and error{at}")
    return dict(vars(spectrum))


def _in_range(frequency, options):
    """Return which frequencies lie within `segment.frequency_range` and outside `segment.mask`."""
    inside = np.ones(len(frequency), bool)
    if options.frequency_range is not None:
        lo, hi = options.frequency_range
        inside = (frequency >= lo) & (frequency <= hi)
    for lo, hi in options.mask:
        inside &= ~((frequency >= lo) & (frequency <= hi))
    return inside


def _summary(row, flags=NO_FLAG):
    """Return what is kept of an observation whose arrays are no longer needed."""
    start = stop = np.nan
    if row["mjd_ref"] >= 0:
        start = row["mjd_ref"] + row["mjd_ref_frac"] + row["t_start"] / DAY
        if len(row["gti_stop"]):
            stop = start + row["gti_stop"].max() / DAY  # which are counted from t_start
    return {name: row[name] for name in IDENTITY} | {
        "observation_id": row["observation_id"],
        "exposure": row["exposure"],
        "n_dropped": row["n_dropped"],
        "mjd_start": start,
        "mjd_stop": stop,
        "flags": Flag(row["flags"]) | flags,
    }


def _described(used, unused):
    """Return the columns that say which observations were averaged."""
    row = empty_row(SPECTRA) | {name: used[0][name] for name in IDENTITY}
    row["series"] = row["product"]
    flags = Flag.PARTIAL if unused else NO_FLAG
    for one in used:
        flags |= one["flags"]
    return row | {
        "status": Status.OK,
        "flags": flags,
        "reason": f"{len(unused)} observations not used; {unused[0]}" if unused else "",
        "observation_ids": sorted({one["observation_id"] for one in used}),
        "n_observations": len(used),
        "mjd_start": np.min([one["mjd_start"] for one in used]),
        "mjd_stop": np.max([one["mjd_stop"] for one in used]),
        "exposure": sum(one["exposure"] for one in used),
        "n_dropped": sum(one["n_dropped"] for one in used),
    }
