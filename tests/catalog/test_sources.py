"""All bands and observations of a source are in its evidence; each has a row of its own."""

from math import isfinite, isnan, nan

import pytest

from pipeline.pvalues import combine
from pipeline.status import Flag

from .builders import file, merged, model, parameter, product

SOFT, HARD, ALL = "soft", "hard", "all"


def band(name, counts, epoch="", observation="1", **more):
    name = f"{name}@{epoch}" if epoch else name
    more = {"observation_ids": [epoch or observation]} | more
    return product(name, counts=counts, epoch=epoch, **more)


def fitted(name, p=nan, bic=100.0, qpo=None, fall=20.0):
    """Two models of a product and the parameters of the one with a QPO at `qpo` Hz."""
    with_peak = ("constant.1", "lorentzian.1")
    models = [
        model("noise", bic=bic + fall, product=name, components=("constant.1",), best=qpo is None)
        | {"lrt_p_value": p, "lrt_p_error": 0.1, "lrt_method": "simulated"},
        model("peak", bic=bic, product=name, components=with_peak, best=qpo is not None),
    ]
    values = {"variance": 0.01, "frequency": qpo, "fwhm": 0.1, "rms": 0.1} if qpo else {}
    return models, [parameter("lorentzian.1", k, v, product=name) for k, v in values.items()]


def merge(products, *fits, files=None):
    models = [m for more, _ in fits for m in more]
    parameters = [p for _, more in fits for p in more]
    files = files or [file(observation_id="1")]
    return merged(files, products, models, parameters)


def test_the_qpo_is_of_the_band_that_shows_it_and_its_p_value_of_all():
    row, epochs = merge(
        [band(ALL, 9e5), band(SOFT, 6e5), band(HARD, 3e5)],
        fitted(ALL, p=0.02, qpo=1.0),
        fitted(SOFT, p=0.5),
        fitted(HARD, p=1e-4, qpo=1.1),
    )
    assert row["product"] == ALL  # most counts: of it are the rates and the rms
    assert (row["qpo_product"], row["qpo_frequency"]) == (HARD, 1.1)
    assert (row["qpo_p_product"], row["qpo_p_trials"]) == (1e-4, 3)
    assert row["qpo_p_value"] == pytest.approx(combine([0.02, 0.5, 1e-4]))
    assert row["qpo_p_value"] > 2e-4
    assert [e["product"] for e in epochs] == [ALL, SOFT, HARD]
    assert [e["qpo_p_value"] for e in epochs] == [0.02, 0.5, 1e-4]
    assert [e["qpo_frequency"] for e in epochs[::2]] == [1.0, 1.1]
    assert isnan(epochs[1]["qpo_frequency"])


def test_without_p_values_the_bic_says_which_band_shows_it():
    row, _ = merge(
        [band(ALL, 9e5), band(HARD, 3e5)],
        fitted(ALL, qpo=1.0, fall=8.0),
        fitted(HARD, qpo=1.1, fall=30.0),
    )
    assert (row["qpo_product"], row["qpo_frequency"]) == (HARD, 1.1)
    assert isnan(row["qpo_p_value"])
    assert row["qpo_p_trials"] == 0
    assert row["flags"] & Flag.NO_P_VALUE


def test_the_flags_of_a_qpo_go_with_it():
    """That of the band with most counts has no p-value; the one that is told of has."""
    row, _ = merge(
        [band(ALL, 9e5), band(HARD, 3e5)], fitted(ALL, qpo=1.0), fitted(HARD, p=0.001, qpo=1.1)
    )
    assert row["qpo_product"] == HARD
    assert not row["flags"] & Flag.NO_P_VALUE


def test_a_test_that_found_nothing_is_a_trial_and_no_qpo():
    row, _ = merge([band(ALL, 9e5), band(HARD, 3e5)], fitted(ALL, p=0.6), fitted(HARD, p=0.3))
    assert (row["qpo_product"], row["qpo_p_trials"]) == ("", 2)
    assert row["qpo_p_value"] == pytest.approx(combine([0.6, 0.3]))
    assert isnan(row["qpo_frequency"])


def test_one_band_is_what_it_was():
    row, (epoch,) = merge([band(ALL, 9e5)], fitted(ALL, p=0.02, qpo=1.0))
    assert row["qpo_p_value"] == row["qpo_p_product"] == epoch["qpo_p_value"] == 0.02
    assert (row["qpo_p_trials"], row["n_epochs"], row["epoch_best"]) == (1, 0, "")
    assert isnan(row["epoch_p_value"])
    assert epoch["observation_id"] == "1"


def test_a_pulsation_is_of_the_band_that_shows_it_best():
    pulse = {"pulse_frequency": 0.143, "pulse_p_value": 1e-9, "flags": int(Flag.PULSATION)}
    row, epochs = merge(
        [band(ALL, 9e5, pulse_p_value=0.3), band(HARD, 3e5, **pulse), band(SOFT, 6e5)],
        fitted(ALL),
        fitted(HARD),
        fitted(SOFT),
    )
    assert (row["product"], row["pulse_frequency"]) == (ALL, 0.143)
    assert row["pulse_p_value"] == pytest.approx(combine([0.3, 1e-9]))
    assert row["flags"] & Flag.PULSATION
    assert [e["pulse_p_value"] for e in epochs[:2]] == [0.3, 1e-9]


@pytest.mark.parametrize(
    ("qpo", "fwhm", "named"), [(2.01, 0.02, False), (2.01, 0.5, True), (3.3, 0.02, True)]
)
def test_what_is_left_of_a_pulse_is_no_qpo(qpo, fwhm, named):
    """A pulse of 1 Hz in segments of 64 s: narrow peaks at its harmonics are its own."""
    models, parameters = fitted(ALL, qpo=qpo)
    parameters = [p | {"value": fwhm} if p["parameter"] == "fwhm" else p for p in parameters]
    pulsed = band(ALL, 9e5, pulse_frequency=1.0, pulse_p_value=1e-9, segment_size=64.0)
    row, _ = merge([pulsed], (models, parameters))
    assert isfinite(row["qpo_frequency"]) == named


class TestEpochs:
    FILES = (file("a", observation_id="1"), file("b", observation_id="2"))

    def survey(self, p=1e-5, qpo=2.0):
        return merge(
            [
                band(ALL, 9e5, observation_ids=["1", "2"], n_observations=2),
                band(ALL, 4e5, epoch="1", mjd_start=59000.0),
                band(ALL, 5e5, epoch="2", mjd_start=59500.0, mean_rate=7.0),
            ],
            fitted(ALL, p=0.3),
            fitted(f"{ALL}@1", p=0.4),
            fitted(f"{ALL}@2", p=p, qpo=qpo),
            files=self.FILES,
        )

    def test_have_a_row_each_beside_the_average(self):
        row, epochs = self.survey()
        assert [e["product"] for e in epochs] == [ALL, f"{ALL}@1", f"{ALL}@2"]
        assert [e["n_observations"] for e in epochs] == [2, 1, 1]
        assert [e["observation_id"] for e in epochs[1:]] == ["1", "2"]
        assert (epochs[2]["mjd_start"], epochs[2]["mean_rate"]) == (59500.0, 7.0)
        assert epochs[2]["qpo_frequency"] == 2.0
        assert row["n_products"] == 1  # an observation of an average is no band

    def test_are_told_of_where_the_average_is_silent(self):
        row, _ = self.survey()
        assert isnan(row["qpo_frequency"])
        assert row["flags"] & Flag.QPO_IN_EPOCH
        assert (row["n_epochs"], row["epoch_best"]) == (2, "2")
        assert row["epoch_p_value"] == pytest.approx(combine([0.4, 1e-5]))
        assert row["qpo_p_value"] == 0.3

    def test_pay_for_their_trials(self):
        row, _ = self.survey(p=0.009)
        assert not row["flags"] & Flag.QPO_IN_EPOCH

    def test_that_could_not_be_used_alone_do_not_make_the_source_partial(self):
        products = [
            band(ALL, 9e5, observation_ids=["1", "2"], n_observations=2),
            band(ALL, 4e5, epoch="1", status="too_short", observation_ids=[]),
        ]
        row, epochs = merge(products, fitted(ALL, p=0.3), files=self.FILES)
        assert not row["flags"] & Flag.PARTIAL
        assert epochs[1]["status"] == "too_short"
        assert isfinite(row["qpo_p_value"])
