"""Whether one more component stays, by its evidence or by a calibrated p-value.

The Bayesian information criterion is an approximation for many data and vague priors; these two are what
it approximates, and cost a few hundred likelihoods or fits for each spectrum and component.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc

from pipeline.fit.engine.engine import Engine
from pipeline.fit.search.batch import ModelFit
from pipeline.fit.search.decompose import Criterion, Step, by_bic
from pipeline.fit.search.fit_model import finish
from pipeline.fit.significance.detection import detect_peak
from pipeline.fit.uncertainty import importance

DOUBT = 1e-6
"""A component whose approximate p-value is below this part of `alpha` stays without a simulation."""


def by_evidence(
    seeds: Sequence[Sequence[int]], *, least: float = 0.0, draws: int = 512
) -> Criterion:
    """Return the criterion by which a component stays that raises the evidence.

    Parameters
    ----------
    seeds : sequence of sequence of int
        One a spectrum: see `pipeline.fit.uncertainty.importance.sample`.
    least : float, optional
        By how much twice the logarithm of the evidence must rise: the scale of the BIC (Kass & Raftery
        1995, J. Am. Stat. Assoc. 90, 773, section 3.2).
    draws : int, optional
        Draws a spectrum and fit.

    Notes
    -----
    Where the draws do not tell (Pareto k above 0.7) the evidence is Laplace's, and where there is none, as
    of a peak at a bound, the BIC decides.
    """

    def stays(step):
        small = _evidence(step, step.small, step.without, seeds, draws)
        large = _evidence(step, step.large, step.having, seeds, draws)
        known = np.isfinite(small) & np.isfinite(large)
        rise = 2 * (np.where(known, large, 0.0) - np.where(known, small, 0.0))
        return np.where(known, rise > max(least, 1e-9), by_bic(least)(step))

    return stays


def by_p_value(
    engine: Engine,
    seeds: Sequence[Sequence[int]],
    *,
    alpha: float = 0.01,
    draws: int = 512,
    enough: int = 20,
    batch_size: int = 4096,
) -> Criterion:
    """Return the criterion by which a component stays that noise would mimic less often than `alpha`.

    The likelihood ratio is calibrated by simulation of the fit without it, for each spectrum and each
    component: see `pipeline.fit.significance.detection.detect_peak`, also for the parameters. The engine may be one of
    less precision than that of the fits: an error of 0.01 in the ratio does no harm. Nothing is simulated where
    chi2, with one trial for each bin, gives a probability a million times below `alpha`.
    """

    def stays(step):
        out = _beyond_doubt(step, alpha)
        step = step.take(np.flatnonzero(~out))
        if not step.lanes.size:
            return out
        found = detect_peak(
            step.batch.take(step.lanes).on(engine),
            _finished(step, step.small, step.without),
            _seeds(step, seeds, step.having),
            slot=step.slot,
            draws=draws,
            enough=enough,
            batch_size=batch_size,
        )
        out[~out] = found.p.p_value < alpha
        return out

    return stays


def _beyond_doubt(step, alpha):
    """Return where the likelihood ratio needs no calibration, bool array of shape (lanes,)."""
    ratio = step.small.deviance - step.large.deviance
    added = len(step.batch.model.index[step.slot])
    trials = step.batch.n_bins[step.lanes]
    return trials * chdtrc(added, np.maximum(np.nan_to_num(ratio), 0.0)) < DOUBT * alpha


def _evidence(step, fit, active, seeds, draws):
    """Return the logarithm of the evidence of one of the fits of a step, NaN where there is none."""
    found = importance.sample(
        step.batch.take(step.lanes),
        _finished(step, fit, active),
        _seeds(step, seeds, active),
        draws=draws,
    )
    good = found.pareto_k <= importance.GOOD_K
    return np.where(good, found.log_evidence, found.log_evidence_laplace)


def _seeds(step: Step, seeds, active):
    """Return the seeds of the lanes of a step, other ones for each component and each set of components."""
    sets = [int("".join("01"[there] for there in lane), 2) for lane in active.T.astype(int)]
    return [[*seeds[lane], step.slot, one] for lane, one in zip(step.lanes, sets, strict=True)]


def _finished(step: Step, fit, active) -> ModelFit:
    """Return a fit of a step with its covariance."""
    return finish(step.batch.take(step.lanes), fit, active)
