"""Reading light curves: an observation a band."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.missions import band, identity, registry, rxte
from pipeline.ingest.read import counts, exposure, lightcurve
from pipeline.ingest.read.bins import Series, bands_of, of_array, of_table
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.read.times import Times, each_band, other_times, read_times, timed
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import cadence, good_time, gti
from pipeline.ingest.times.good_time import GoodTime
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.status import Flag, Status

_NO_FLAG = Flag(0)


@dataclass(frozen=True)
class Bins:
    """The light curves of a table, in common bins.

    Attributes
    ----------
    seconds : ndarray, shape (n,)
        Middles of the bins, s.
    dt : float
        Their width, s.
    curves : list of Series
        The light curves, one a band.
    keywords : TimeKeywords
        The time keywords of the table.
    flags : Flag
        NO_TIMEDEL, TIMES_ROUNDED.
    """

    seconds: np.ndarray
    dt: float
    curves: list[Series]
    keywords: TimeKeywords
    flags: Flag = _NO_FLAG


def read(opened: Opened) -> list[Observation]:
    """Read light curves, an observation a band.

    Raises
    ------
    Rejected
        If no light curve has a bin that can be used.
    """
    hdu = opened.hdu
    times = read_times(opened.hdus, hdu)
    is_array = hdu.name.strip().upper() == rxte.ARRAY
    bins = _bins_of_array(opened, times) if is_array else _bins_of_table(opened, times)
    seconds = bins.seconds
    if bins.curves:
        seconds = np.where(np.isfinite(bins.curves[0].rate), seconds, np.nan)
    other = other_times(opened.hdus, hdu, times.clock)
    good = good_time.read(
        opened.hdus,
        good_time.Timed(hdu, times.clock, seconds, bins.dt, other),
    )
    return each_band(
        bins.curves,
        lambda curve: opened.product(curve.band.label, bins.dt),
        lambda curve: _observation(opened, bins, curve, good),
    )


def _bins_of_array(opened: Opened, times: Times) -> Bins:
    """Return the bins of a science array of RXTE. A row has many."""
    first = float(times.seconds[0]) if len(times.seconds) else math.nan
    mjd = times.clock.mjd(first)
    options = opened.options
    wanted = [b for b in band.of_events(options.band, options.bands) if math.isfinite(b.lo)]
    array = of_array(opened.hdu, times.keywords.timedel, mjd, wanted)
    within = array.dt * (np.arange(array.bins) + 0.5)
    seconds = (times.seconds[:, np.newaxis] + within).ravel()
    return Bins(seconds, array.dt, array.series, times.keywords)


def _bins_of_table(opened: Opened, times: Times) -> Bins:
    """Return the bins of a table that has one in each row."""
    hdu, seconds, keywords = opened.hdu, times.seconds, times.keywords
    in_order = gti.in_order(seconds)
    finite = seconds if in_order else np.sort(seconds[np.isfinite(seconds)])
    if "TIMEDEL" in hdu.columns and not keywords.timedel:
        column, unit = hdu.read("TIMEDEL"), hdu.unit("TIMEDEL")
        timedel = exposure.bin_width(column, unit, keywords.unit)
        keywords = keywords.with_timedel(timedel) if timedel else keywords
    width = cadence.bin_width(keywords, finite, times.clock.unit)
    dt, rounded = width.dt, False
    if in_order:
        regular = cadence.unrounded(seconds, dt)
        seconds, rounded = regular.times, regular.changed
    if len(finite) and not dt > 0:
        reason = "one time and no keyword TIMEDEL: the bin width is not known"
        raise Rejected(Status.BAD_TIME, reason)
    who = opened.who
    known = registry.mission_of(who.mission, who.instrument)
    stem = identity.stem(opened.entry.path)
    bands = bands_of(opened.hdus, hdu.header, who.mission, who.instrument, stem)
    curves = of_table(hdu, len(seconds), dt, known, bands)
    seconds = cadence.bin_centres(seconds, dt, keywords)
    flags = Flag.NO_TIMEDEL if width.measured else _NO_FLAG
    flags |= Flag.TIMES_ROUNDED if rounded else _NO_FLAG
    return Bins(seconds, dt, curves, keywords, flags)


def _observation(opened: Opened, bins: Bins, curve: Series, good: GoodTime) -> Observation:
    """Return the observation of one light curve."""
    kept = _good_bins(opened, bins, curve, good)
    common = timed(opened, good.clock, bins.keywords, kept, curve.band)
    net = counts.is_net(opened.hdu.header)
    counting, gross, errors = curve.counting, curve.counting, kept.rate_err
    if counting is None and not net:
        noise = counts.of_curve(kept.rate, errors, bins.dt, kept.fracexp)
        counting, gross, errors = noise.counting, noise.gross, noise.rate_err
    background = curve.background_rate
    remarks = [_left_out(opened, curve, kept.dropped, len(bins.seconds))]
    if math.isfinite(background) and not (gross or net):
        remarks.append(
            "its background was not used: nothing says that it is still in the rate, whose errors are "
            "not those of counts"
        )
    return replace(
        common,
        reason="; ".join(filter(None, remarks)),
        n_dropped=kept.dropped,
        flags=common.flags | good.flags | bins.flags | curve.flags,
        exposure=kept.exposure,
        dt=bins.dt,
        rate=kept.rate,
        rate_err=errors,
        fracexp=kept.fracexp,
        counting=bool(counting) and not net,
        background_rate=background if gross and not net else math.nan,
    )


def _good_bins(opened: Opened, bins: Bins, curve: Series, good: GoodTime) -> lightcurve.LightCurve:
    """Return the good bins of a light curve; a reason why there is none says what the file marks as bad."""
    measured = lightcurve.Measured(curve.rate, curve.rate_err, curve.fracexp, curve.bad)
    limit = opened.options.min_fracexp
    try:
        return lightcurve.in_good_time(bins.seconds, measured, good.intervals, bins.dt, limit)
    except Rejected as rejected:
        reason = rejected.reason + _and_why(curve.left_out)
        raise Rejected(rejected.status, reason) from None


def _left_out(opened: Opened, curve: Series, dropped: int, total: int) -> str:
    """Say how many rows of a light curve were left out, and as far as known why."""
    if not dropped:
        return ""
    why, limit = [*curve.left_out], opened.options.min_fracexp
    if hidden := int(np.count_nonzero(curve.fracexp < limit)):
        why.append(f"{hidden} exposed less than {limit:g} (ingest.min_fracexp)")
    return f"{dropped} of {total} rows were left out{': ' * bool(why)}{', '.join(why)}"


def _and_why(why: Sequence[str]) -> str:
    """Say why no row is left, as far as known."""
    if not why:
        return ""
    remedy = "; if they are good, say so in ingest.tables (good, bad_bits, or no quality)"
    return f": {', '.join(why)}{remedy * any(' bad by ' in one for one in why)}"
