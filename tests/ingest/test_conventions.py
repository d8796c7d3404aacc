"""Light curves as other software writes them: whose noise, exposure and bad bins are they?"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pipeline.status import Flag

N = 4096
DT = 1.0
TIME = (np.arange(N) + 0.5) * DT
OGIP = {"HDUCLAS1": "LIGHTCURVE", "TIMEDEL": DT, "TIMEUNIT": "s", "MJDREFI": 50814}


def _rng(seed=1):
    return np.random.default_rng(seed)


def _curve(archive, make, columns, header=None):
    columns = {"TIME": (TIME, "s")} | columns
    archive.add("a.lc", make.table("RATE", columns, OGIP | (header or {})))
    return archive.read("a.lc")


def _noise(row):
    """Twice the mean squared error times the bin: the noise level, (ct/s)^2/Hz."""
    return 2 * row["dt"] * np.mean(row["rate_err"] ** 2)


@pytest.mark.parametrize(
    "header",
    [{}, {"BACKAPP": False}, *({"BACKAPP": v} for v in (True, 1, 1.0, "T", "YES"))],
)
def test_a_net_rate_beside_its_background_has_it_taken_off_once(archive, make, header):
    """SAS epiclccorr: corrected, background subtracted and beside it; the header may be silent."""
    rng = _rng()
    total, background = rng.poisson(12.0, N), rng.poisson(10.0, N) / 5
    factor = rng.uniform(1.2, 1.3, N)
    columns = {
        "RATE": factor * (total - background),
        "ERROR": factor * np.sqrt(total + background / 5),
        "BACKV": factor * background,
        "BACKE": factor * np.sqrt(background / 5),
    }
    row = _curve(archive, make, columns, header)
    assert not row["counting"]
    assert np.isnan(row["background_rate"])
    assert _noise(row) == pytest.approx(2 * np.var(row["rate"]), rel=0.1)
    assert ("its background was not used" in row["reason"]) == (not header.get("BACKAPP"))


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_gross_rates_keep_their_background(archive, make, factor):
    total = factor * _rng().poisson(12.0, N)
    error = factor * np.sqrt(total / factor)
    row = _curve(archive, make, {"RATE": total, "ERROR": error, "BACKV": np.full(N, 2.0)})
    assert row["counting"] == (factor == 1)
    assert row["background_rate"] == 2.0


def test_counts_with_an_exposure_of_area_and_time(archive, make):
    """Fermi's gtbin and gtexposure: COUNTS, ERROR, EXPOSURE in cm2 s, TIMEDEL, no TIMEDEL keyword."""
    rng = _rng(2)
    exposure = rng.uniform(2e7, 6e7, N)
    counts = rng.poisson(5e-7 * exposure)
    columns = {
        "TIME": (TIME * 86400, "s"),
        "TIMEDEL": (np.full(N, 86400.0), "s"),
        "COUNTS": counts.astype("i4"),
        "ERROR": np.sqrt(counts),
        "EXPOSURE": (exposure, "cm**2 s"),
    }
    header = {"TELESCOP": "GLAST", "HDUCLAS1": "LIGHTCURVE", "MJDREFI": 51910}
    archive.add("a.lc", make.table("RATE", columns, header))
    row = archive.read("a.lc")
    assert row["dt"] == 86400.0
    assert not row["flags"] & Flag.NO_TIMEDEL
    expected = counts / exposure * np.median(exposure) / 86400
    assert row["rate"] == pytest.approx(expected)
    assert row["rate_err"] == pytest.approx(expected / np.sqrt(np.maximum(counts, 1)))
    assert row["exposure"] == pytest.approx(N * 86400.0)
    assert not row["counting"]
    assert _noise(row) == pytest.approx(2 * 86400 * np.var(row["rate"]), rel=0.1)


@pytest.mark.parametrize("name", ["EXPOSURE", "FRACEXP", "TIMEDEL"])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("background", [True, False])
def test_counts_and_how_long_each_bin_was_exposed(archive, make, name, even, background):
    rng = _rng(3)
    part = rng.uniform(0.98, 1.0, N) if even else rng.uniform(0.6, 1.0, N)
    counts = rng.poisson(20 * 10 * part)
    exposure = {"EXPOSURE": (10 * part, "s"), "FRACEXP": part, "TIMEDEL": (10 * part, "s")}[name]
    columns = {"TIME": (TIME * 10, "s"), "COUNTS": counts.astype("i4"), name: exposure}
    if background:
        columns["NORM_BG_COUNTS"] = 50 * part
    row = _curve(archive, make, columns, {"TIMEDEL": 10.0})
    assert row["counting"] == even
    assert np.mean(row["rate"]) == pytest.approx(20.0, rel=0.02)
    if not even:
        assert _noise(row) == pytest.approx(2 * 10 * np.var(row["rate"]), rel=0.1)
        assert row["exposure"] == pytest.approx(10 * part.sum(), rel=1e-5)
    if background:
        assert row["background_rate"] == pytest.approx(5.0, rel=0.02)
    else:
        assert np.isnan(row["background_rate"])


def test_counts_that_are_no_whole_numbers_are_not_counts(archive, make):
    net = _rng(4).normal(3.0, 2.0, N)
    assert not _curve(archive, make, {"COUNTS": net})["counting"]
    row = _curve(archive, make, {"COUNTS": net, "ERROR": np.full(N, 2.0)})
    assert not row["counting"]
    assert _noise(row) == pytest.approx(8.0)


@pytest.mark.parametrize("telescope", ["FOO", "SWIFT", "NICER", "TESS", ""])
def test_data_flag_is_heeded_whatever_the_telescope(archive, make, telescope):
    flag = np.where(np.arange(N) % 100 == 3, 2, 0).astype("i2")
    rate = np.where(flag > 0, 1e3, _rng(5).normal(5, 1, N))
    columns = {"RATE": rate, "ERROR": np.ones(N), "DATA_FLAG": flag}
    row = _curve(archive, make, columns, {"TELESCOP": telescope})
    assert row["n_dropped"] == np.count_nonzero(flag)
    assert row["rate"].max() < 100
    assert row["flags"] & Flag.TIMES_DROPPED
    assert "bad by DATA_FLAG" in row["reason"]


@pytest.mark.parametrize("more", [{"good": [8]}, {"bad_bits": 1}])
def test_a_column_of_quality_that_the_configuration_names(archive, make, more):
    bad = np.arange(N) % 100 == 3
    state = np.where(bad, 9, 8).astype("i4")
    columns = {"FLUX": np.arange(N) % 7 + 1.0, "STATE": state}
    archive.add("a.lc", make.table("RATE", {"TIME": (TIME, "s")} | columns, {"TELESCOP": "FOO"}))
    entry = {"files": "*.lc", "columns": {"time": "TIME", "rate": "FLUX", "quality": "STATE"}}
    row = archive.read("a.lc", tables=[entry | more])
    assert len(row["rate"]) == N - np.count_nonzero(bad)
    assert row["n_dropped"] == np.count_nonzero(bad)


def test_a_table_that_astropy_masked(archive):
    """Undefined integers are TNULL, floats NaN; undefined quality is bad."""
    rng = _rng(6)
    counts = rng.poisson(20, N)
    mask = np.arange(N) % 50 == 7
    table = Table(
        {
            "TIME": TIME,
            "COUNTS": MaskedColumn(counts.astype("i2"), mask=mask),
            "QUALITY": MaskedColumn(np.zeros(N, "i2"), mask=np.roll(mask, 1)),
        }
    )
    table.meta.update(OGIP)
    table.write(archive.root / "a.lc", format="fits")
    row = archive.read("a.lc")
    kept = ~mask & ~np.roll(mask, 1)
    assert row["rate"].tolist() == counts[kept].tolist()
    assert row["n_dropped"] == np.count_nonzero(~kept)
    assert row["counting"]


def test_an_ascii_table_with_a_null_and_blanks(archive):
    counts = _rng(7).poisson(20, N).astype(float)
    null = np.arange(N) % 50 == 7
    columns = [
        fits.Column("TIME", "F12.3", array=TIME),
        fits.Column("RATE", "F8.3", array=np.where(null, -9.999, counts), null="-9.999"),
        fits.Column("ERROR", "F8.4", array=np.sqrt(counts)),
    ]
    table = fits.TableHDU.from_columns(columns, name="RATE")
    table.header.update(OGIP)
    archive.add("a.lc", table)
    content = (archive.root / "a.lc").read_bytes().replace(b"  -9.999", b"        ", 3)
    (archive.root / "a.lc").write_bytes(content)
    row = archive.read("a.lc")
    assert row["rate"].tolist() == counts[~null].tolist()
    assert row["counting"]


def test_rates_that_are_words_and_numbers_that_stand_for_none(archive):
    rate = _rng(8).poisson(20, N).astype(float)
    words = np.array([f"{value:.1f}" for value in rate])
    words[[10, 20, 30]] = ["<0.3", "", "-999.0"]
    words[40] = "-999.0"
    table = Table({"TIME": TIME, "RATE": words, "ERROR": np.sqrt(rate)})
    table.meta.update(OGIP)
    table.write(archive.root / "a.lc", format="fits")
    row = archive.read("a.lc")
    assert len(row["rate"]) == N - 4
    assert row["rate"].min() >= 0
    assert row["flags"] & Flag.STAND_INS
    assert "1 with limits in RATE" in row["reason"]


def test_magnitudes_of_99_99_are_none_before_they_become_fluxes(archive):
    magnitude = _rng(9).normal(14.0, 0.1, 200)
    magnitude[::20] = 99.99
    lines = [f"{t:.1f} {m:.3f} 0.010" for t, m in zip(TIME, magnitude, strict=False)]
    (archive.root / "a.txt").write_text("\n".join(lines) + "\n")
    entry = {"files": "*.txt", "columns": {"time": 1, "rate": 2, "error": 3}, "scale": "magnitude"}
    row = archive.read("a.txt", tables=[entry])
    assert row["n_dropped"] == 10
    assert row["rate"] == pytest.approx(10 ** (-0.4 * (magnitude[magnitude < 90] - 14)), rel=0.05)
    assert "10 with 99.99 in RATE" in row["reason"]


def test_errors_with_two_sides_in_percent_and_as_variances(archive, make):
    rate = _rng(10).normal(50, 5, N)
    two = np.column_stack([np.full(N, -3.0), np.full(N, 4.0)])
    five = np.full(N, 5.0)
    ones = {
        "sides": {"RATE": rate, "ERROR": two},
        "columns": {"RATE": rate, "RATEPOS": np.full(N, 4.0), "RATENEG": np.full(N, -3.0)},
        "percent": {"RATE": (np.full(N, 50.0), "count/s"), "ERROR": (np.full(N, 10.0), "%")},
        "variance": {"RATE": (rate, "count/s"), "ERROR": (five**2, "count2/s2")},
        "named": {"RATE": rate, "VARIANCE": five**2},
        "inverse": {"FLUX": rate, "FLUX_IVAR": 1 / five**2},
        "plain": {"RATE": (rate, "count/s"), "ERROR": (five, "count/s")},
    }
    for which, columns in ones.items():
        error = _curve(archive, make, columns)["rate_err"]
        expected = np.sqrt(12.5) if which in ("sides", "columns") else 5.0
        assert error == pytest.approx(expected), which


def test_bins_with_impossible_errors_are_left_out(archive, make):
    """A net rate of exactly 0 without an error, amid significant ones, is a hole; so is -1."""
    rate, error = _rng(11).normal(50, 5, N), np.full(N, 5.0)
    rate[::64], error[::64] = 0.0, 0.0
    error[1::512] = -1.0
    row = _curve(archive, make, {"RATE": rate, "ERROR": error})
    assert row["n_dropped"] == N // 64 + N // 512
    counts = _rng(12).poisson(50, N)
    counts[:600] = 0  # an eclipse
    row = _curve(archive, make, {"RATE": counts.astype(float), "ERROR": np.sqrt(counts)})
    assert row["n_dropped"] == 0
    assert row["counting"]


def test_rates_without_errors_are_counts_where_their_unit_and_whole_numbers_say_so(archive, make):
    counts = _rng(13).poisson(7, N)
    row = _curve(archive, make, {"RATE": (counts * 1.0, "count/s"), "ERROR": np.zeros(N)})
    assert row["counting"]
    assert row["rate_err"] == pytest.approx(np.sqrt(counts))
    assert not _curve(archive, make, {"RATE": counts * 1.0})["counting"]
    assert not _curve(archive, make, {"RATE": (counts * 1.1, "count/s")})["counting"]


def test_a_curve_all_of_whose_bins_are_bad_says_by_which_column_and_what_to_do(archive, make):
    columns = {"TIME": (TIME, "s"), "RATE": np.ones(N), "QUALITY": np.ones(N, "i2")}
    archive.add("a.lc", make.table("RATE", columns, OGIP))
    row = archive.read("a.lc")
    assert row["status"] == "no_data"
    assert f"{N} bad by QUALITY" in row["reason"]
    assert "ingest.tables" in row["reason"]


def test_events_that_a_named_column_calls_bad_are_left_out(archive, make):
    state = (np.arange(N) % 4 == 1).astype("i2")
    columns = {"TIME": (TIME, "s"), "PI": np.full(N, 100, "i4"), "STATE": state}
    archive.add("a.evt", make.table("EVENTS", columns, {"TELESCOP": "FOO"}))
    entry = {"files": "*.evt", "kind": "events", "columns": {"time": "TIME", "quality": "STATE"}}
    row = archive.read("a.evt", tables=[entry])
    assert len(row["time"]) == 3 * N // 4
    assert row["n_dropped"] == N // 4
    assert row["flags"] & Flag.TIMES_DROPPED


def test_the_background_of_bins_hardly_exposed_is_not_in_its_mean(archive, make):
    """eROSITA's survey: most bins have next to no exposure; counts of background over it are huge."""
    part = np.where(np.arange(N) % 40 < 2, 0.8, 1e-5)
    columns = {
        "COUNTS": _rng(14).poisson(300 * part).astype("i4"),
        "FRACEXP": part,
        "BACK_COUNTS": np.full(N, 80.0),
        "BACKRATIO": np.full(N, 0.1),
    }
    row = _curve(archive, make, columns)
    assert row["background_rate"] == pytest.approx(80 * 0.1 / 0.8)
    assert np.mean(row["rate"]) == pytest.approx(300, rel=0.02)


def test_undefined_times_and_exposures(archive, make):
    time = 5e8 + TIME
    time[[3, 700, 2000]] = -999.0
    columns = {"TIME": (time, "s"), "RATE": np.ones(N), "FRACEXP": np.full(N, np.nan)}
    row = _curve(archive, make, columns)
    assert row["t_start"] == 5e8
    assert len(row["rate"]) == N - 3
    assert row["n_dropped"] == 3


def test_a_column_of_quality_that_cannot_be_read_costs_a_flag_and_not_the_curve(archive):
    columns = [
        fits.Column("TIME", "D", unit="s", array=TIME[:64]),
        fits.Column("RATE", "D", array=np.arange(64) % 7 + 1.0),
        fits.Column("QUALITY", "PJ()", array=np.array([np.arange(2)] * 64, dtype=object)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="RATE")
    table.header.update(OGIP)
    archive.add("a.lc", table)
    row = archive.read("a.lc")
    assert len(row["rate"]) == 64
    assert row["flags"] & Flag.QUALITY_UNKNOWN


@pytest.mark.parametrize("number", [-1, -9, -32768])
def test_negative_counts_stand_for_none(archive, make, number):
    counts = _rng(15).poisson(3, N).astype("i4")
    counts[::200] = number
    row = _curve(archive, make, {"COUNTS": counts})
    assert row["n_dropped"] == len(counts[::200])
    assert row["counting"]
    assert row["flags"] & Flag.STAND_INS
    assert f"with {number} in COUNTS" in row["reason"]
