"""A source's row says what its files, spectra and fits say, and no more."""

from math import isnan, nan

import pytest

from pipeline.columns.catalogue import FITTED, SOURCES
from pipeline.status import Flag

from .builders import file, harmonics_of, lorentzian, model, parameter, product, qpo_of, row


class TestQpo:
    def test_is_the_strongest_narrow_lorentzian_not_the_strongest_of_all(self):
        broad = lorentzian("lorentzian.1", 0.09, 1.0, 1.0)
        weak = lorentzian("lorentzian.2", 0.001, 8.0, 1.0)
        strong = lorentzian("lorentzian.3", 0.01, 4.0, 1.0)
        assert qpo_of(broad + weak + strong)[:2] == (
            "lorentzian.3",
            "lorentzian.2",
        )

    def test_needs_a_quality_factor_above_the_limit(self):
        exactly_two = lorentzian("lorentzian.1", 0.01, 2.0, 1.0)
        assert qpo_of(exactly_two, 2.0)[:2] == (None, "")
        assert qpo_of(exactly_two, 1.9)[:2] == ("lorentzian.1", "")

    @pytest.mark.parametrize(("variance", "ambiguous"), [(0.0024, False), (0.0026, True)])
    def test_is_ambiguous_when_another_has_half_its_rms(self, variance, ambiguous):
        first = lorentzian("lorentz.1", 0.01, 4.0, 1.0)
        second = lorentzian("lorentz.2", variance, 8.0, 1.0)
        name, rival, ratio = qpo_of((first + second), 2.0)
        assert (name, rival) == ("lorentz.1", "lorentz.2")
        assert ratio == pytest.approx((variance / 0.01) ** 0.5)
        found = row(parameters=first + second)
        assert (found["qpo_rival"], found["qpo_rival_ratio"]) == (rival, ratio)
        assert bool(found["flags"] & Flag.QPO_AMBIGUOUS) == ambiguous

    def test_lies_inside_the_configured_frequencies(self):
        first = lorentzian("lorentzian.1", 0.01, 4.0, 1.0)
        second = lorentzian("lorentzian.2", 0.005, 8.0, 1.0)
        assert qpo_of((first + second), 2.0, (5.0, 10.0))[:2] == ("lorentzian.2", "")

    def test_a_blend_stands_for_its_members(self):
        pair = lorentzian("lorentzian.1", 0.01, 4.0, 0.4) + lorentzian(
            "lorentzian.2", 0.01, 4.3, 0.4
        )
        blend = lorentzian("lorentzian.1+lorentzian.2", 0.02, 4.15, 0.6)
        assert qpo_of((pair), 2.0)[1]
        assert qpo_of((pair + blend), 2.0)[:2] == ("lorentzian.1+lorentzian.2", "")
        found = row(parameters=pair + blend)
        assert found["qpo_frequency"] == 4.15
        assert found["flags"] & Flag.QPO_BLEND

    def test_may_be_parametrised_by_nu_max_and_q(self):
        named = {"variance": 0.01, "nu_max": 4.01, "q": 8.0, "frequency": 4.0, "fwhm": 0.5}
        rows = [parameter("lorentzian_numax.1", name, value) for name, value in named.items()]
        assert qpo_of((rows), 2.0)[:2] == ("lorentzian_numax.1", "")
        found = row(parameters=rows)
        assert (found["qpo_frequency"], found["qpo_fwhm"], found["qpo_q"]) == (4.0, 0.5, 8.0)
        assert (found["qpo_q_err_lo"], found["qpo_q_err_hi"]) == (0.1, 0.2)

    def test_a_zero_centred_lorentzian_is_never_one(self):
        rows = [parameter("zero_lorentzian.1", name, 1.0) for name in ("variance", "fwhm")]
        assert qpo_of((rows), 2.0)[:2] == (None, "")


class TestProduct:
    @staticmethod
    def chosen(*products, fitted=("a", "b")):
        models = [model("m", product=name, best=True) for name in fitted]
        return row(products=list(products), models=models)["product"]

    def test_with_a_fit_goes_before_one_with_more_counts(self):
        products = [product("a", counts=1e6), product("b", counts=10.0)]
        assert self.chosen(*products, fitted=["b"]) == "b"

    def test_with_most_counts_is_taken(self):
        assert self.chosen(product("a", counts=10.0), product("b", counts=1e6)) == "b"

    def test_without_counts_is_ranked_by_exposure_times_rate_then_segments(self):
        flux = [product("a", exposure=10.0, mean_rate=5.0), product("b", exposure=9.0, mean_rate=9)]
        assert self.chosen(*flux) == "b"
        assert self.chosen(product("a", m=2), product("b", m=20)) == "b"

    def test_that_ties_is_the_first_by_name(self):
        assert self.chosen(product("b"), product("a")) == "a"

    def test_there_is_none_without_products(self):
        found = row(products=[], models=[])
        assert (found["product"], found["status"]) == ("", "error")


def runner_up(*models):
    found = row(models=list(models))
    return {name: found[name] for name in ("runner_up", "delta_bic")}


class TestRunnerUp:
    def test_is_the_next_bic_and_the_difference_is_positive(self):
        models = [model("a", 30.0), model("b", 10.0, best=True), model("c", 14.0)]
        assert runner_up(*models) == {"runner_up": "c", "delta_bic": 4.0}

    def test_models_without_a_result_do_not_compete(self):
        models = [model("b", 10.0, best=True), model("c", 5.0, status="error"), model("d", nan)]
        found = runner_up(*models)
        assert found["runner_up"] == ""
        assert isnan(found["delta_bic"])

    def test_may_be_the_chosen_model_with_another_component(self):
        lorentzians = ["constant.1", "lorentzian.1", "lorentzian.2"]
        chosen = model("sum", 10.0, best=True, components=lorentzians) | {"rival_delta_bic": 3.0}
        more = chosen | {"rival_components": [*lorentzians, "lorentzian.3"]}
        assert runner_up(more) == {"runner_up": "sum with lorentzian.3", "delta_bic": 3.0}
        less = chosen | {"rival_components": lorentzians[:2]}
        assert runner_up(less)["runner_up"] == "sum without lorentzian.2"
        assert runner_up(less, model("c", 12.0)) == {"runner_up": "c", "delta_bic": 2.0}


class TestRow:
    def test_has_exactly_the_declared_columns(self):
        assert tuple(row()) == SOURCES.names

    def test_takes_the_slope_of_the_upper_part_when_the_power_law_bends(self):
        found = row(
            parameters=[
                parameter("bending_power_law.1", "slope_low", 0.5),
                parameter("bending_power_law.1", "slope_high", 2.2),
                parameter("bending_power_law.1", "bend_frequency", 0.3),
            ]
        )
        assert (found["slope"], found["slope_err_lo"], found["slope_err_hi"]) == (2.2, 0.1, 0.2)
        assert found["bend_frequency"] == 0.3

    def test_takes_values_of_the_chosen_product_only(self):
        found = row(
            products=[product("p", counts=10.0), product("other", counts=5.0)],
            models=[model("m", best=True), model("m", product="other", best=True)],
            parameters=[
                parameter("power_law.1", "slope", 1.0),
                parameter("power_law.1", "slope", 9.0, product="other"),
            ],
        )
        assert found["slope"] == 1.0
        assert found["n_products"] == 2
        assert not found["flags"] & Flag.PARTIAL

    def test_a_qpo_without_rms_says_so_and_keeps_its_frequency(self):
        peak = [
            parameter("lorentzian.1", "variance", 0.01),
            parameter("lorentzian.1", "frequency", 5.0, errors=(0.01, 0.02)),
            parameter("lorentzian.1", "fwhm", 0.5),
        ]
        found = row(parameters=peak)
        assert found["qpo_frequency_err_hi"] == 0.02
        assert found["qpo_q"] == 10.0
        assert isnan(found["qpo_rms"])
        assert isnan(found["qpo_p_value"])
        assert found["flags"] == Flag.RMS_UNKNOWN | Flag.NO_P_VALUE
        rms = parameter("lorentzian.1", "rms", 0.1)
        assert row(parameters=[*peak, rms])["flags"] == Flag.NO_P_VALUE

    def test_an_open_interval_is_told_with_the_limit_that_is_known(self):
        open_lo = {"open_lo": True, "err_lo": nan, "upper_limit": 0.9, "lower_limit": nan}
        open_hi = {"open_hi": True, "err_hi": nan, "upper_limit": nan, "lower_limit": 5.6}
        peak = [
            parameter("lorentzian.1", "variance", 0.01),
            parameter("lorentzian.1", "frequency", 5.0, errors=(0.01, 0.02)),
            parameter("lorentzian.1", "fwhm", 0.5) | open_lo,
            parameter("lorentzian.1", "q", 10.0) | open_hi,
            parameter("lorentzian.1", "rms", 0.1) | {"upper_limit": 0.2},
        ]
        found = row(parameters=peak)
        sides = {n: (found[f"{n}_open_lo"], found[f"{n}_open_hi"]) for n in FITTED}
        assert sides.pop("qpo_fwhm") == (True, False)
        assert sides.pop("qpo_q") == (False, True)
        assert set(sides.values()) == {(False, False)}
        limits = [found[f"qpo_{name}_limit"] for name in ("fwhm", "q", "rms")]
        assert limits == [0.9, 5.6, 0.2]
        assert isnan(found["qpo_frequency_limit"])
        assert isnan(found["qpo_q_err_hi"])
        assert found["flags"] & Flag.OPEN_INTERVAL
        assert not row()["flags"] & Flag.OPEN_INTERVAL

    @pytest.mark.parametrize(
        ("component", "name"),
        [
            ("power_law.1", "slope"),
            ("bending_power_law.1", "bend_frequency"),
            ("envelope.1", "nu_max"),
        ],
    )
    def test_an_open_interval_of_the_continuum_has_the_flag(self, component, name):
        told = {"open_hi": True, "err_hi": nan, "upper_limit": nan, "lower_limit": 0.9}
        found = row(parameters=[parameter(component, name, 1.5) | told])
        assert (found[f"{name}_open_lo"], found[f"{name}_open_hi"]) == (False, True)
        assert found["flags"] & Flag.OPEN_INTERVAL

    @pytest.mark.parametrize(("method", "is_limit"), [("below", True), ("simulated", False)])
    def test_a_p_value_that_is_a_limit_says_so(self, method, is_limit):
        told = {"lrt_p_value": 1e-10, "lrt_p_error": nan, "lrt_method": method, "lrt_component": ""}
        told |= {"t_sse_p_value": 1e-10, "t_sse_method": method}
        found = row(models=[model("m", best=True) | told])
        assert (found["qpo_p_is_limit"], found["t_sse_p_is_limit"]) == (is_limit, is_limit)
        assert not found["outlier_p_is_limit"]

    def test_a_p_value_is_that_of_the_model_that_was_tested(self):
        tested = {"lrt_p_value": 1e-4, "lrt_p_error": 0.2, "lrt_method": "simulated"}
        models = [model("with", bic=10.0, best=True), model("without", bic=50.0) | tested]
        found = row(models=models)
        assert (found["qpo_p_value"], found["qpo_p_error"]) == (1e-4, 0.2)
        assert found["qpo_p_method"] == "simulated"
        assert not found["flags"] & Flag.NO_P_VALUE

    @pytest.mark.parametrize("component", ["lorentzian.1", "lorentzian.2"])
    def test_a_p_value_of_a_component_is_that_of_the_qpo_only(self, component):
        tested = {"lrt_p_value": 1e-4, "lrt_p_error": 0.2, "lrt_method": "simulated"}
        fit = model("sum", best=True) | tested | {"lrt_component": component}
        found = row(models=[fit], parameters=lorentzian("lorentzian.1", 0.01, 4.0, 0.4))
        assert found["qpo_frequency"] == 4.0
        assert isnan(found["qpo_p_value"]) == (component == "lorentzian.2")
        assert bool(found["flags"] & Flag.QPO_UNTESTED) == (component == "lorentzian.2")
        assert found["qpo_p_component"] == component

    def test_without_a_qpo_has_no_flag_of_one(self):
        assert row()["flags"] == 0

    def test_white_noise_is_flagged(self):
        noise = model("noise", best=True, components=("constant.1",))
        assert row(models=[noise])["flags"] == Flag.WHITE_NOISE_MODEL

    @pytest.mark.parametrize("status", ["at_bound", "not_converged", "singular"])
    def test_carries_the_status_of_a_fit_that_has_a_result(self, status):
        found = row(models=[model("m", status=status, best=True)])
        assert (found["status"], found["reason"]) == (status, f"m: {status}")
        assert found["model"] == "m"

    def test_flags_of_the_spectrum_and_of_the_fit_add_up(self):
        fit = model("m", best=True) | {"flags": int(Flag.AT_BOUND)}
        found = row(products=[product(flags=int(Flag.NO_GTI))], models=[fit])
        assert found["flags"] == Flag.NO_GTI | Flag.AT_BOUND

    def test_carries_the_checks_of_the_chosen_model(self):
        checked = {"t_sse_p_value": 1e-4, "outlier_frequency": 7.0, "outlier_p_value": 0.2}
        found = row(models=[model("n", bic=120.0), model("m", best=True) | checked])
        assert {name: found[name] for name in checked} == checked

    def test_is_partial_when_a_file_was_rejected_but_not_for_a_duplicate(self):
        assert row(files=[file(), file("b", "truncated")])["flags"] == Flag.PARTIAL
        assert row(files=[file(), file("b", "duplicate")])["flags"] == 0

    def test_without_a_fit_says_why_in_the_words_of_the_last_stage(self):
        unfitted = row(models=[model("m", status="bad_spectrum")])
        assert (unfitted["status"], unfitted["reason"]) == ("bad_spectrum", "m: bad_spectrum")
        assert unfitted["model"] == ""
        short = product(status="too_short", exposure=7.0) | {"reason": "3 s < 8 s"}
        found = row(products=[short], models=[])
        assert (found["status"], found["reason"]) == ("too_short", "3 s < 8 s")
        assert found["exposure"] == 7.0

    def test_never_read_still_says_who_it_is_and_why(self):
        files = [file(status="truncated") | {"reason": "Fetch a again."}]
        found = row(files=files, products=[product("", "truncated")], models=[])
        assert (found["status"], found["reason"]) == ("truncated", "Fetch a again.")
        assert (found["object"], found["mission"], found["mjd_start"]) == ("Cyg X-1", "nicer", 59e3)


class TestHarmonics:
    @staticmethod
    def peaks(*frequencies, q=10.0, error=0.02):
        rows = []
        for k, frequency in enumerate(frequencies, 1):
            name = f"lorentzian.{k}"
            rows += [
                parameter(name, "variance", 0.01 / k),
                parameter(name, "frequency", frequency, errors=(error, error)),
                parameter(name, "fwhm", frequency / q),
            ]
        return rows

    def test_they_are_named_with_their_ratios_in_order_of_frequency(self):
        found = harmonics_of(self.peaks(4.0, 8.03, 2.01, 5.0, 12.0))
        assert found == (("lorentzian.3", "lorentzian.2", "lorentzian.5"), (0.5, 2.0, 3.0))

    def test_one_that_is_off_by_more_than_its_errors_or_broad_is_none(self):
        assert harmonics_of(self.peaks(4.0, 8.3)) == ((), ())
        assert harmonics_of(self.peaks(4.0, 8.9, error=5.0)) == ((), ())
        assert harmonics_of(self.peaks(4.0, 8.0, q=1.5)) == ((), ())
        assert harmonics_of(self.peaks(4.0, 8.0, error=nan)) == ((), ())

    def test_they_are_in_the_row_of_the_source(self):
        found = row(parameters=self.peaks(4.0, 8.01))
        assert found["qpo_harmonics"] == ["lorentzian.2"]
        assert list(found["qpo_harmonic_ratios"]) == [2.0]

    def test_a_peak_at_the_bound_of_its_frequency_is_no_qpo(self):
        peaks = self.peaks(4.0, 9.0)
        peaks[1]["at_bound"] = True
        assert qpo_of(peaks, 2.0)[0] == "lorentzian.2"
