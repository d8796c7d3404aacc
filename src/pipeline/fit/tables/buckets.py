"""Spectra of any length into padded blocks of a few lengths, lane last."""

from dataclasses import dataclass

import numpy as np

from pipeline.fit.objectives.spectra import Spectra

BUCKETS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
"""Lengths spectra are padded to: one compilation each. Longer ones go to multiples of 4096."""
ALIKE = 1.2
"""Widths of bins within this factor are those of single ordinates, rounded."""
MIN_BINS = 8
"""Fewer usable bins than this are not fitted."""
SAME_SCATTER = 0.3
"""Scatter of error over power, beside that of the power, below which the errors are the power times a smooth
function."""
FOLLOWS = 0.5
"""Rank correlation of errors and powers, from bin to bin, above which the errors come from the data."""
NEIGHBOURS = 4
"""Bins on each side whose errors stand in for that of a bin."""

SMOOTHING, LEAST_ORDINATES = 0.15, 20
"""Width of a running mean in ln f, and the ordinates that it, or the mean of the lowest bins, must have."""
FILTERED = 0.1
"""Power of the lowest frequencies over the largest below which a filter has taken it."""


@dataclass(frozen=True)
class Bucket:
    """Spectra padded to one length with one likelihood.

    Attributes
    ----------
    likelihood : str
        Of all of them, see `pipeline.fit.model.likelihood.terms`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    widths : array, shape (bins, lanes)
        Widths of the bins, Hz.
    lanes : int array, shape (lanes,)
        Which of the rows given each lane is.
    """

    likelihood: str
    spectra: Spectra
    widths: np.ndarray
    lanes: np.ndarray


def usable(row, frequency_range=None):
    """Return which bins of a spectrum can be fitted.

    Parameters
    ----------
    row : mapping
        ``frequency``, ``power``, ``n`` and ``power_err``, each of shape (bins,) or empty.
    frequency_range : (float, float), optional
        Frequencies to fit, Hz.
    """
    frequency, power = row["frequency"], row["power"]
    weight = weights(row)
    good = np.isfinite(frequency) & (frequency > 0) & np.isfinite(power) & np.isfinite(weight)
    good &= weight > 0
    kind = likelihood_of(row)
    if kind != "gaussian":
        good &= (power >= 0) if kind == "poisson" else (power > 0)
    if frequency_range is not None:
        good &= (frequency >= frequency_range[0]) & (frequency <= frequency_range[1])
    return good


def corner(row, good) -> float:
    """Return the frequency below which a high-pass filter has taken the power, Hz; 0 where none has.

    The power of stars does not fall towards low frequencies. Where the mean of the lowest ordinates is less than a
    tenth of the largest running mean of the power, what lies below that largest one is filtered.

    Parameters
    ----------
    row : mapping
        A spectrum, see `usable`; n must be known.
    good : bool array, shape (bins,)
        Its usable bins.
    """
    if not len(row["n"]) or good.sum() < MIN_BINS:
        return 0.0
    frequency, power, n = (row[name][good] for name in ("frequency", "power", "n"))
    place = np.log(frequency)
    steps = np.arange(place[0], place[-1] + SMOOTHING / 2, SMOOTHING / 2)
    lowest = np.searchsorted(np.cumsum(n), LEAST_ORDINATES) + 1
    each = [n * np.exp(-0.5 * ((place - at) / SMOOTHING) ** 2) for at in steps]
    smooth = np.array([weight @ power / weight.sum() for weight in each])
    reliable = np.array([weight.sum() for weight in each]) >= LEAST_ORDINATES
    if not reliable.any():
        return 0.0
    highest = np.flatnonzero(reliable)[np.argmax(smooth[reliable])]
    low = n[:lowest] @ power[:lowest] / n[:lowest].sum()
    return float(np.exp(steps[highest])) if low < FILTERED * smooth[highest] else 0.0


def likelihood_of(row) -> str:
    """Return what the row says, or ``gamma`` where n is known, else ``gaussian``."""
    return row.get("likelihood") or ("gamma" if len(row["n"]) else "gaussian")


def weights(row) -> np.ndarray:
    """Return n, or 1 / sigma^2 where only errors are known; with the model's variance n = (P / sigma)^2."""
    kind = likelihood_of(row)
    if kind != "gaussian" and len(row["n"]):
        return row["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / np.asarray(row["power_err"]) ** 2
    if kind == "gaussian_model":
        return weight * np.square(row["power"])
    return weight


def with_errors_only(row, likelihood="auto"):
    """Return a spectrum with the likelihood that suits its errors; one with n is returned as it is.

    Errors that come from the data are too small where the power fluctuated down: a fit weighted by them is
    too low by about 2 / n. Where they are the power times a smooth function of frequency, as P / sqrt(n) is,
    the likelihood with the variance of the model has no such lean (``gaussian_model``). Where they follow the
    power otherwise (the noise was subtracted from it but not from them) each error is replaced by the
    geometric mean of those of its neighbours, scaled by the widths of the bins (after Churazov et al. 1996,
    ApJ 471, 673). Other errors are taken as they are.

    Parameters
    ----------
    row : mapping
        ``n``, ``power``, ``power_err``, ``frequency_lo`` and ``frequency_hi``, each of shape (bins,) or empty.
    likelihood : {"auto", "gaussian", "gaussian_model"}, optional
        What to do: the above, or one likelihood with the errors as they are.

    Returns
    -------
    mapping
        With ``likelihood``, or other ``power_err``; and ``errors_follow``, true, where they follow the power.
    """
    if len(row["n"]) or row.get("likelihood"):
        return row
    if likelihood != "auto":
        return {**row, "likelihood": likelihood}
    power, error = np.asarray(row["power"], float), np.asarray(row["power_err"], float)
    width = np.asarray(row["frequency_hi"], float) - np.asarray(row["frequency_lo"], float)
    good = np.isfinite(power) & np.isfinite(error) & (error > 0) & (width > 0)
    scaled = error[good] * np.sqrt(width[good])
    positive, follows = _errors_follow(power[good], scaled)
    if positive:
        return {**row, "likelihood": "gaussian_model", "errors_follow": True}
    if not follows:
        return row
    smooth = np.full_like(error, np.inf)
    smooth[good] = _without_own(scaled) / np.sqrt(width[good])
    return {**row, "power_err": smooth, "errors_follow": True}


def _errors_follow(power, error):
    """Return whether errors are the power times a smooth function, and whether they follow it at all.

    Second differences from bin to bin leave the fluctuations and take the shape of the spectrum away.
    """
    if power.size < MIN_BINS:
        return False, False
    away = np.diff(np.log(error), 2)
    if (power > 0).all():
        logs = np.diff(np.log(power), 2)
        if np.median(np.abs(away - logs)) < SAME_SCATTER * np.median(np.abs(logs)):
            return True, True
    ranks = [np.argsort(np.argsort(a)) for a in (away, np.diff(power, 2))]
    return False, bool(np.corrcoef(ranks)[0, 1] > FOLLOWS)


def _without_own(error):
    """Geometric mean of the errors of the bins beside each, as many on one side as on the other."""
    logs, last = np.log(error), error.size - 1
    out = np.empty_like(error)
    for k in range(error.size):
        reach = max(min(NEIGHBOURS, k, last - k), 1)
        near = [j for j in range(k - reach, k + reach + 1) if j != k and 0 <= j <= last]
        out[k] = np.exp(logs[near].mean())
    return out


def bucket_length(bins: int) -> int:
    """Return the padded length of a spectrum with this many bins."""
    for length in BUCKETS:
        if bins <= length:
            return length
    return -(-bins // BUCKETS[-1]) * BUCKETS[-1]


def in_buckets(rows, masks, batch_size, *, average=False) -> list[Bucket]:
    """Sort spectra into buckets of one length and likelihood, at most `batch_size` in each.

    Parameters
    ----------
    rows : sequence of mapping
        Spectra, see `usable`; also ``frequency_lo`` and ``frequency_hi``.
    masks : sequence of bool array
        Their usable bins; a spectrum with fewer than `MIN_BINS` is left out.
    batch_size : int
        Most lanes in a bucket.
    average : bool or "auto", optional
        Whether models are to be averaged over the bins; ``auto``: where `averages` says so.
    """
    groups = {}
    for lane, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        bins = int(mask.sum())
        if bins >= MIN_BINS:
            over_bins = averages(row, mask) if average == "auto" else bool(average)
            key = likelihood_of(row), bucket_length(bins), over_bins
            groups.setdefault(key, []).append(lane)
    out = []
    for (likelihood, length, over_bins), lanes in sorted(groups.items()):
        for start in range(0, len(lanes), batch_size):
            part = np.array(lanes[start : start + batch_size])
            out.append(_fill(likelihood, length, part, rows, masks, over_bins))
    return out


def averages(row, mask) -> bool:
    """Return whether a model is to be averaged over the bins of a spectrum.

    It is where bins differ in width by more than `ALIKE`: the wide ones are averages of several
    ordinates, and a peak between the centres of two of them would not be seen.

    Parameters
    ----------
    row : mapping
        ``frequency_lo`` and ``frequency_hi``, Hz, shape (bins,), and ``widths_known``, False where they
        were made up from the distances between frequencies.
    mask : bool array, shape (bins,)
        Usable bins, one at least.
    """
    widths = (row["frequency_hi"] - row["frequency_lo"])[mask]
    return bool(row.get("widths_known", True) and widths.max() > ALIKE * widths.min())


def _fill(likelihood, length, lanes, rows, masks, average) -> Bucket:
    """Pad with weight 0; frequency, power and width 1 keep logarithms finite."""
    frequency, power, widths = (np.ones((length, lanes.size)) for _ in range(3))
    weight = np.zeros((length, lanes.size))
    for k, lane in enumerate(lanes):
        row, mask = rows[lane], masks[lane]
        bins = int(mask.sum())
        frequency[:bins, k] = row["frequency"][mask]
        power[:bins, k] = row["power"][mask]
        weight[:bins, k] = weights(row)[mask]
        widths[:bins, k] = (row["frequency_hi"] - row["frequency_lo"])[mask]
    spectra = Spectra(frequency, power, weight, widths if average else None)
    return Bucket(likelihood, spectra, widths, lanes)
