"""Power spectra as other programs write them: Stingray, XRONOS, XSPEC; what each says is used."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pipeline.ingest.files.spectrum_header import norm_of, unit_of
from pipeline.ingest.read.oversampling import check, correlation
from pipeline.status import Flag

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it recommends numba
    from stingray import AveragedPowerspectrum, Lightcurve, Powerspectrum

RATE, DT, SEGMENT = 800.0, 0.125, 16.0


def _light_curve(seed=1, duration=512.0, rms=0.3):
    """Counts of a source with a broad peak at 1 Hz."""
    rng = np.random.default_rng(seed)
    n = int(duration / DT)
    frequency = np.fft.rfftfreq(n, DT)
    shape = 1 / (1 + ((frequency - 1) / 0.2) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) * np.sqrt(shape), n)
    rate = RATE * np.maximum(1 + rms * noise / noise.std(), 0)
    time = (np.arange(n) + 0.5) * DT
    return Lightcurve(time, rng.poisson(rate * DT), dt=DT, mjdref=56000, skip_checks=True)


def _stingray(norm, rebinned=False, **options):
    spectrum = AveragedPowerspectrum.from_lightcurve(
        _light_curve(**options), SEGMENT, norm=norm, silent=True
    )
    return spectrum.rebin_log(0.05) if rebinned else spectrum


def _write(spectrum, archive, name, fmt, monkeypatch):
    """Write it where we are, as Stingray tries out formats beside its file."""
    monkeypatch.chdir(archive.root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spectrum.write(name, fmt=fmt)


@pytest.mark.parametrize("rebinned", [False, True])
@pytest.mark.parametrize("norm", ["leahy", "frac", "abs"])
@pytest.mark.parametrize(("name", "fmt"), [("a.fits", "fits"), ("a.ecsv", "ascii.ecsv")])
def test_stingrays_own_files_are_read_unasked(archive, norm, rebinned, name, fmt, monkeypatch):
    spectrum = _stingray(norm, rebinned)
    _write(spectrum, archive, name, fmt, monkeypatch)
    row = archive.read(name)
    assert (row["status"], row["norm"]) == ("ok", norm)
    np.testing.assert_allclose(row["power"], spectrum.power)
    np.testing.assert_allclose(row["n"], spectrum.m)
    mean = spectrum.nphots / SEGMENT
    assert row["noise"] == pytest.approx(
        {"leahy": 2, "frac": 2 / mean, "abs": 2 * mean}[norm], 1e-3
    )
    assert not row["flags"] & (Flag.NORM_DOUBTFUL | Flag.NOISE_UNKNOWN | Flag.NOISE_ESTIMATED)
    middle = (row["frequency_lo"] + row["frequency_hi"]) / 2
    np.testing.assert_allclose(middle, spectrum.freq, rtol=0.05)


def test_a_single_periodogram_of_stingrays_has_one_ordinate_a_bin(archive, monkeypatch):
    spectrum = Powerspectrum.from_lightcurve(_light_curve(), norm="leahy")
    _write(spectrum, archive, "a.fits", "fits", monkeypatch)
    row = archive.read("a.fits")
    assert set(row["n"]) == {1.0}
    assert row["noise"] == 2.0


@pytest.mark.parametrize("rebinned", [False, True])
def test_text_for_flx2xsp_is_power_times_width(archive, rebinned, monkeypatch):
    spectrum = _stingray("frac", rebinned)
    monkeypatch.chdir(archive.root)
    with pytest.raises(RuntimeError, match="HEASOFT"):
        spectrum.save_as_xspec("a")  # it leaves the text
    names = dict(zip(("frequency_lo", "frequency_hi", "power", "error"), (1, 2, 3, 4), strict=True))
    table = {"files": "*", "kind": "spectrum", "columns": names, "norm": "frac", "integrated": True}
    row = archive.read("a.txt", tables=[table])
    np.testing.assert_allclose(row["power"], spectrum.power)
    single = np.broadcast_to(spectrum.k, spectrum.freq.shape) == 1
    m = np.broadcast_to(spectrum.m, spectrum.freq.shape)
    np.testing.assert_allclose(row["n"][single], m[single], rtol=1e-6)
    np.testing.assert_allclose(row["n"], spectrum.m, rtol=0.2)  # its errors are propagated


def _xronos(archive, make, normalisation, power, error, width=0.05, **header):
    """What powspec writes with outfiletype=2 (XRONOS User's Guide, chapter 4)."""
    frequency = (np.arange(len(power)) + 1.0) * width
    columns = {
        "FREQUENCY": (frequency, "Hz"),
        "XAX_E": (np.full(len(power), width / 2), "Hz"),
        "POWER": power.astype("f4"),
        "ERROR": error.astype("f4"),
    }
    head = {
        "CREATOR": "powspec 1.0 (xronos5.22)",
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "TEMPORALDATA",
        "HDUCLAS2": "POWER SPECTRA",
        "HDUCLAS3": "RESULTS",
        "CONTENT": "XRONOS OUTPUT",
        **header,
    }
    if normalisation is not None:
        head["NORMALIZ"] = normalisation
    archive.add("a.fps", make.table("RESULTS", columns, head))


def _powers(level, bins=400, n=64, seed=3):
    rng = np.random.default_rng(seed)
    frequency = (np.arange(bins) + 1.0) * 0.05
    expected = level * (1 + 30 / (1 + (frequency / 2) ** 2))
    power = expected * rng.gamma(n, 1 / n, bins)
    return power, power / np.sqrt(n)


def test_xronos_with_the_noise_subtracted_gets_it_back(archive, make):
    power, error = _powers(2.5e-3)
    _xronos(archive, make, -2, power - 2.5e-3, error)
    row = archive.read("a.fps")
    assert (row["status"], row["norm"]) == ("ok", "frac")
    assert row["noise"] == pytest.approx(2.5e-3, rel=1e-3)
    np.testing.assert_allclose(row["power"], power, rtol=1e-4)
    np.testing.assert_allclose(row["n"], 64, rtol=1e-2)
    assert row["flags"] == Flag.NOISE_ESTIMATED
    assert (row["frequency_lo"][0], row["frequency_hi"][0]) == pytest.approx((0.025, 0.075))


def test_xronos_of_leahys_normalisation_includes_the_noise(archive, make):
    power, error = _powers(2.0)
    _xronos(archive, make, 1, power, error)
    row = archive.read("a.fps")
    assert (row["norm"], row["noise"], row["flags"]) == ("leahy", 2.0, 0)
    np.testing.assert_allclose(row["power"], power, rtol=1e-6)
    np.testing.assert_allclose(row["n"], 64, rtol=1e-5)


def test_a_normalisation_that_nobody_says_or_that_is_wrong_is_flagged(archive, make):
    power, error = _powers(2.5e-3)
    _xronos(archive, make, None, power - 2.5e-3, error)
    assert archive.read("a.fps")["flags"] & Flag.NORM_DOUBTFUL
    assert archive.read("a.fps", spectrum_norm="frac")["flags"] == Flag.NOISE_ESTIMATED
    assert archive.read("a.fps", spectrum_norm="leahy")["flags"] & Flag.NORM_DOUBTFUL
    _xronos(archive, make, 1, power - 2.5e-3, error)
    assert archive.read("a.fps")["flags"] & Flag.NORM_DOUBTFUL
    _xronos(archive, make, "hertzian", power - 2.5e-3, error)
    assert archive.read("a.fps", spectrum_norm="frac")["flags"] & Flag.NORM_DOUBTFUL


def test_the_noise_level_of_keyword_or_column_is_used_unless_the_errors_say_another(archive, make):
    power, error = _powers(2.5e-3)
    _xronos(archive, make, "rms", power - 2.5e-3, error, NOISE=2.5e-3)
    row = archive.read("a.fps")
    assert (row["noise"], row["flags"]) == (2.5e-3, 0)
    np.testing.assert_allclose(row["power"], power, rtol=1e-4)
    _xronos(archive, make, "rms", power - 2.5e-3, error, NOISE=2.0)
    row = archive.read("a.fps")
    assert row["noise"] == pytest.approx(2.5e-3, rel=1e-3)
    assert row["flags"] == Flag.NOISE_ESTIMATED | Flag.NORM_DOUBTFUL
    _xronos(archive, make, "rms", power, error, NOISE=2.5e-3)
    row = archive.read("a.fps")
    np.testing.assert_allclose(row["power"], power, rtol=1e-6)
    assert (row["noise"], row["flags"]) == (2.5e-3, 0)
    lines = np.column_stack([(np.arange(400) + 1) * 0.05, power - 2.5e-3, np.full(400, 2.5e-3)])
    np.savetxt(archive.root / "b.txt", lines)
    columns = {"frequency": 1, "power": 2, "noise": 3}
    table = {"files": "*.txt", "kind": "spectrum", "columns": columns, "norm": "frac"}
    row = archive.read("b.txt", tables=[table | {"columns": columns | {"n": 3}}])
    assert row["noise"] == pytest.approx(2.5e-3)
    np.testing.assert_allclose(row["power"], power)


def test_one_level_for_an_archive_is_that_of_its_normalisation_only(archive, make):
    power, error = _powers(2.5e-3)
    _xronos(archive, make, "fractional rms", power - 2.5e-3, error)
    row = archive.read("a.fps", spectrum_noise=2.0, spectrum_norm="leahy")
    assert row["noise"] == pytest.approx(2.5e-3, rel=1e-3)
    assert row["norm"] == "frac"


def test_powers_below_zero_stay_where_the_level_is_unknown(archive, make):
    rng = np.random.default_rng(5)
    power = rng.normal(0, 1, 300)
    _xronos(archive, make, -2, power, np.full(300, 1.0))
    row = archive.read("a.fps")
    assert np.isnan(row["noise"])
    assert row["flags"] == Flag.NOISE_UNKNOWN
    assert (row["power"] < 0).sum() == (power < 0).sum()
    assert len(row["n"]) == 0


def test_a_table_of_fits_with_units_says_its_normalisation(archive):
    power, error = _powers(2.0)
    table = Table({"freq": (np.arange(400) + 1) * 50.0, "psd": power, "psd_err": error})
    table["freq"].unit, table["psd"].unit = "mHz", "1/Hz"
    table.write(archive.root / "a.fits")
    row = archive.read("a.fits")
    assert row["norm"] == "frac"
    assert row["frequency_lo"][0] == pytest.approx(0.025)
    fits.setval(archive.root / "a.fits", "TUNIT2", value="(ct/s)^2/Hz", ext=1)
    assert archive.read("a.fits")["norm"] == "abs"


def test_the_mean_at_frequency_zero_is_no_power_and_cycles_a_day_are_a_frequency(archive):
    table = Table({"frequency": np.arange(50) * 0.5, "power": np.r_[0.0, np.full(49, 3.0)]})
    table["frequency"].unit = "1/d"
    table.write(archive.root / "a.fits")
    fits.setval(archive.root / "a.fits", "TUNIT2", value="ppm^2/uHz", ext=1)
    row = archive.read("a.fits")
    assert row["status"] == "ok"
    assert len(row["power"]) == 49
    assert row["frequency_hi"][-1] == pytest.approx(24.75 / 86400)
    np.testing.assert_allclose(row["power"], 3e-6)
    fits.setval(archive.root / "a.fits", "TUNIT1", value="keV", ext=1)
    assert archive.read("a.fits")["status"] == "bad_spectrum"


def test_two_bins_at_one_frequency_are_a_reason(archive):
    np.savetxt(archive.root / "a.txt", [[1, 2, 4.0], [2, 3, 4.0], [2, 3, 5.0], [3, 4, 4.0]])
    columns = {"frequency_lo": 1, "frequency_hi": 2, "power": 3}
    row = archive.read("a.txt", tables=[{"files": "*", "kind": "spectrum", "columns": columns}])
    assert row["status"] == "bad_spectrum"
    assert "bins overlap: 2-3 and 2-3 Hz" in row["reason"]


def test_stingrays_unnormalised_powers_become_leahys(archive, monkeypatch):
    spectrum = _stingray("none")
    _write(spectrum, archive, "a.fits", "fits", monkeypatch)
    row = archive.read("a.fits")
    assert (row["norm"], row["noise"]) == ("leahy", 2.0)
    np.testing.assert_allclose(row["power"], _stingray("leahy").power, rtol=1e-6)


def test_negative_powers_with_ordinates_but_no_level_are_fitted_by_their_errors(archive):
    rng = np.random.default_rng(2)
    frequency = np.arange(1, 301) * 0.1
    columns = (frequency, rng.normal(0, 1, 300), np.full(300, 1.0), np.full(300, 50))
    np.savetxt(archive.root / "a.txt", np.column_stack(columns))
    names = {"frequency": 1, "power": 2, "error": 3, "n": 4}
    table = {"files": "*", "kind": "spectrum", "columns": names, "norm": "frac"}
    row = archive.read("a.txt", tables=[table])
    assert (len(row["power"]), len(row["n"])) == (300, 0)
    assert row["flags"] == Flag.NOISE_UNKNOWN


@pytest.mark.parametrize(
    ("text", "norm", "subtracted"),
    [
        *[("Leahy", "leahy", None), ("frac", "frac", None), ("(rms/mean)^2/Hz", "frac", None)],
        *[("abs", "abs", None), (1, "leahy", False), (-1, "leahy", True), (-2, "frac", True)],
        *[("-2", "frac", True), ("none", "", None), (7, "", None), (True, "", None)],
    ],
)
def test_words_and_numbers_of_normalisations(text, norm, subtracted):
    assert norm_of(text) == (norm, subtracted)


@pytest.mark.parametrize(
    ("unit", "norm", "factor"),
    [
        *[
            ("", "", 1),
            ("1/Hz", "frac", 1),
            ("Hz^-1", "frac", 1),
            ("(rms/mean)**2 Hz-1", "frac", 1),
        ],
        *[("ppm^2/uHz", "frac", 1e-6), ("counts/s", "", 1)],
        *[("ct2 / (Hz s2)", "abs", 1), ("(counts/s)^2/Hz", "abs", 1), ("Leahy", "leahy", 1)],
    ],
)
def test_units_of_powers(unit, norm, factor):
    assert unit_of(unit) == (norm, pytest.approx(factor))


def test_frequencies_are_kept_and_lines_left_out(archive):
    np.savetxt(archive.root / "a.txt", np.column_stack([np.arange(1, 101), np.full(100, 2.0)]))
    table = {"files": "*", "kind": "spectrum", "columns": {"frequency": 1, "power": 2}}
    kept = {"frequencies": [[10, 60], [80, 90]], "mask": [[49.6, 50.4]]}
    row = archive.read("a.txt", tables=[table | kept])
    middle = (row["frequency_lo"] + row["frequency_hi"]) / 2
    assert middle.tolist() == [*range(10, 50), *range(51, 61), *range(80, 91)]
    row = archive.read("a.txt", tables=[table | {"frequencies": [[200, 300]]}])
    assert row["status"] == "bad_spectrum"


def _oversampled(factor, n=4000, seed=1):
    """The periodogram of white noise, zero-padded."""
    series = np.random.default_rng(seed).normal(size=2 * n)
    return np.abs(np.fft.rfft(series, round(factor * 2 * n)))[1:] ** 2


def test_raw_powers_tell_how_often_they_are_oversampled():
    for factor in (1, 2, 5, 10):
        assert check(_oversampled(factor), factor) == 0
    for factor, said in ((5, 1), (1, 5), (5, 4), (4, 5), (5, 10), (10, 5), (2, 5), (1, 3)):
        assert check(_oversampled(factor), said) == Flag.OVERSAMPLED
    assert correlation(_oversampled(4), 2) == pytest.approx(np.sinc(0.5) ** 2, abs=0.05)
    assert check(_oversampled(5)[:100], 1) == 0
