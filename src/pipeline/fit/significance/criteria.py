"""Which model is best; whether one more component stays, by its evidence or by a calibrated p-value.

The Bayesian information criterion is an approximation for many data and vague priors; these two are what
it stands in for, and cost a few hundred likelihoods or fits a spectrum and component.
"""

import numpy as np
from scipy.special import chdtrc

from pipeline.fit.engine.engine import Engine
from pipeline.fit.search.decompose import Criterion, Step, by_bic
from pipeline.fit.search.fit_model import Batch, finish
from pipeline.fit.significance.detection import detect_peak
from pipeline.fit.uncertainty import importance

DOUBT = 1e-6
"""Far enough below the largest p-value that approximations do."""


def choose(bic, n_free, min_delta_bic=0.0):
    """Return the number of the best model of each lane, -1 where none has a BIC, shape (lanes,).

    It is the model with the fewest free parameters among those whose BIC is at most `min_delta_bic` above the
    lowest; of models with as many parameters, the one with the lower BIC. So nothing depends on the order
    of the models, but of equals the first is taken.

    Parameters
    ----------
    bic : array, shape (models, lanes)
        NaN or infinite where a model has no result.
    n_free : int array, shape (models, lanes)
        Free parameters.
    min_delta_bic : float, optional
        By how much the BIC of a larger model must be lower.
    """
    bic = np.where(np.isfinite(bic), bic, np.inf)
    known = np.isfinite(bic).any(axis=0)
    lowest = np.where(known, bic.min(axis=0), 0.0)
    near = np.isfinite(bic) & (bic <= lowest + min_delta_bic)
    fewest = np.where(near, n_free, np.iinfo(int).max).min(axis=0)
    best = np.argmin(np.where(near & (n_free == fewest), bic, np.inf), axis=0)
    return np.where(known, best, -1)


def by_evidence(seeds, *, least=0.0, draws=512) -> Criterion:
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
    engine: Engine, seeds, *, alpha=0.01, draws=512, enough=20, n_starts=4, batch_size=4096
) -> Criterion:
    """Return the criterion by which a component stays that noise would mimic less often than `alpha`.

    The likelihood ratio is calibrated by simulation of the fit without it, for each spectrum and each
    component: see `pipeline.fit.significance.detection.detect_peak`, also for the parameters. The engine may be one of
    less precision than that of the fits: the ratio is wanted to 0.01. Nothing is simulated where
    chi2 with a trial a bin puts the probability a million times below `alpha`.
    """

    def stays(step):
        out = _beyond_doubt(step, alpha)
        step = step.take(np.flatnonzero(~out))
        if not step.lanes.size:
            return out
        found = detect_peak(
            engine,
            step.batch.spectra.take(step.lanes),
            step.batch.widths[:, step.lanes],
            _finished(step, step.small, step.without),
            _seeds(step, seeds, step.having),
            slot=step.slot,
            n_starts=n_starts,
            draws=draws,
            enough=enough,
            batch_size=batch_size,
        )
        out[~out] = found.p_value < alpha
        return out

    return stays


def _beyond_doubt(step, alpha):
    """Where the likelihood ratio needs no calibration, bool array of shape (lanes,)."""
    ratio = step.small.deviance - step.large.deviance
    added = len(step.batch.model.index[step.slot])
    trials = step.batch.n_bins[step.lanes]
    return trials * chdtrc(added, np.maximum(np.nan_to_num(ratio), 0.0)) < DOUBT * alpha


def _evidence(step, fit, active, seeds, draws):
    """Logarithm of the evidence of one of the fits of a step, NaN where there is none."""
    batch, lanes = step.batch, step.lanes
    told = batch.spectra.take(lanes), batch.widths[:, lanes], _finished(step, fit, active)
    found = importance.sample(batch.engine, *told, _seeds(step, seeds, active), draws=draws)
    good = found.pareto_k <= importance.GOOD_K
    return np.where(good, found.log_evidence, found.log_evidence_laplace)


def _seeds(step: Step, seeds, active):
    """Seeds of the lanes of a step, other ones for each component and for each set of components."""
    sets = [int("".join("01"[there] for there in lane), 2) for lane in active.T.astype(int)]
    return [[*seeds[lane], step.slot, one] for lane, one in zip(step.lanes, sets, strict=True)]


def _finished(step: Step, fit, active):
    """A fit of a step with its covariance."""
    batch, lanes = step.batch, step.lanes
    return finish(
        Batch(batch.engine, batch.spectra.take(lanes), batch.widths[:, lanes]), fit, active
    )
