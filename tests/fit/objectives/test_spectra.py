"""Coarse spectra keep what broad components are fitted to."""

import numpy as np

from pipeline.fit import Spectra
from pipeline.fit.objectives.spectra import rebinned


def test_rebinned_spectra_keep_their_ordinates_and_their_mean():
    rng = np.random.default_rng(15)
    spectra = Spectra(*(rng.uniform(1, 2, (1021, 3)) for _ in range(3)))
    spectra.weight[1000:, 1] = 0
    coarse = rebinned(spectra)
    assert 64 <= coarse.power.shape[0] < 192
    np.testing.assert_allclose(coarse.power[:16], spectra.power[:16])  # the head stays as it is
    np.testing.assert_allclose(coarse.weight.sum(axis=0), spectra.weight.sum(axis=0))
    np.testing.assert_allclose(
        (coarse.power * coarse.weight).sum(axis=0), (spectra.power * spectra.weight).sum(axis=0)
    )
    assert coarse.weight[-1, 1] == 0
    assert coarse.power[-1, 1] == coarse.frequency[-1, 1] == 1
