"""Text files and FITS tables read as the configuration says."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.timeseries import LombScargle

from pipeline.config.base import ConfigError
from pipeline.config.ingest import IngestOptions
from pipeline.config.survey import load, validate
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.files import mapping
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.status import Flag

ROOT = Path(__file__).resolve().parents[3]
CURVE = {"files": "*.txt", "columns": {"time": 1, "rate": 2}}


def _rows(listed, folder, options, group_by="observation"):
    """The rows of INGEST of a file that is planned by itself."""
    (found,) = complete([scan_file(listed, folder, options)], group_by)
    return [one.row() for one in read_products(Entry.of_found(found), folder, options)]


def _write(archive, text, file="a.txt"):
    (archive.root / file).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_columns_by_number_between_blanks(archive):
    _write(archive, "# day  flux\n 0.0  1.5\n 0.5  2.5\n\n 1.0  3.5\n")
    table = CURVE | {"keywords": {"TIMEUNIT": "d", "TELESCOP": "Kepler", "OBJECT": "{stem}"}}
    row = archive.read("a.txt", tables=[table])
    assert row["rate"].tolist() == [1.5, 2.5, 3.5]
    assert row["time"].tolist() == [21600.0, 64800.0, 108000.0]
    assert (row["mission"], row["object"]) == ("kepler", "a")
    assert row["flags"] & Flag.NO_TIMEDEL


def test_columns_by_name_between_commas_with_cells_that_are_empty(archive):
    _write(archive, '"T",flux,"Err"\n1,10,1\n2,,1\n3,null,\n4,13,1\n')
    table = {"files": "a.*", "columns": {"time": "t", "rate": "Flux", "error": "err"}}
    row = archive.read("a.txt", tables=[table | {"keywords": {"TIMEDEL": 1.0}}])
    assert row["rate"].tolist() == [10.0, 13.0]
    assert row["rate_err"].tolist() == [1.0, 1.0]
    assert row["flags"] & Flag.TIMES_DROPPED
    assert not row["flags"] & Flag.NO_TIMEDEL


def test_names_in_a_comment_and_a_packed_file(archive):
    _write(archive, gzip.compress(b"! a b c\n1 2 3\n2 3 4\n"), "a.txt.gz")
    table = {"files": "*.gz", "columns": {"time": "a", "rate": "c"}, "comment": "!"}
    assert archive.read("a.txt.gz", tables=[table])["rate"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("packed", [False, True])
def test_text_that_is_open_already(packed):
    text = b"1 2\n2 3\n"
    file = io.BytesIO(gzip.compress(text) if packed else text)
    with mapping.open_file(file, "a.txt", IngestOptions(tables=[CURVE])) as (_, hdu):
        assert hdu.read("RATE").tolist() == [2.0, 3.0]
        assert hdu.read("TIME").tolist() == [1.0, 2.0]


def test_magnitudes_and_logarithms_become_fluxes(archive):
    _write(archive, "0 10.0 0.01\n1 11.0 0.02\n2 12.0 0.02\n")
    table = {"files": "*", "columns": {"time": 1, "rate": 2, "error": 3}}
    row = archive.read("a.txt", tables=[table | {"scale": "magnitude"}])
    assert row["rate"] == pytest.approx([10**0.4, 1.0, 10**-0.4])
    assert row["rate_err"] == pytest.approx(0.4 * np.log(10) * row["rate"] * [0.01, 0.02, 0.02])
    row = archive.read("a.txt", tables=[table | {"scale": "log10"}])
    assert row["rate"] == pytest.approx([0.1, 1.0, 10.0])


def test_events_of_text(archive):
    _write(archive, "3.0 500\n1.0 1500\n")
    columns = {"time": 1, "energy": 2}
    table = {"files": "*", "kind": "events", "columns": columns, "units": {"energy": "eV"}}
    row = archive.read("a.txt", tables=[table])
    assert (row["time"].tolist(), row["energy"].tolist()) == ([0.0, 2.0], [1.5, 0.5])


def test_raw_powers_count_as_one_ordinate_over_the_oversampling(archive):
    _write(archive, "1 4\n2 6\n3 nan\n4 8\n")
    table = {"files": "*", "kind": "spectrum", "columns": {"frequency": 1, "power": 2}}
    table |= {"units": {"frequency": "mHz"}, "norm": "frac", "factor": 1e-6, "oversampling": 2}
    row = archive.read("a.txt", tables=[table])
    assert row["power"] == pytest.approx([4e-6, 6e-6, 8e-6])
    assert row["frequency_lo"] == pytest.approx([0.5e-3, 1.5e-3, 3.5e-3])
    assert row["frequency_hi"] == pytest.approx([1.5e-3, 2.5e-3, 4.5e-3])
    assert row["n"].tolist() == [0.5, 0.5, 0.5]
    assert (row["norm"], len(row["power_err"])) == ("frac", 0)


def test_neighbouring_powers_are_averaged_with_their_ordinates(archive):
    _write(archive, "".join(f"{f} {f * f}\n" for f in (3, 1, 2, 4, 5)))
    table = {"files": "*", "kind": "spectrum", "columns": {"frequency": 1, "power": 2}}
    row = archive.read("a.txt", tables=[table | {"average": 2, "oversampling": 4}])
    assert row["power"].tolist() == [2.5, 12.5]
    assert (row["frequency_lo"].tolist(), row["frequency_hi"].tolist()) == ([0.5, 2.5], [2.5, 4.5])
    assert row["n"].tolist() == [0.5, 0.5]


RAW = {"files": "*", "kind": "spectrum", "columns": {"frequency": 1, "power": 2}, "norm": "frac"}


def _edges(row):
    return np.array([row["frequency_lo"], row["frequency_hi"]])


def test_raw_powers_are_rebinned_in_bins_as_wide_as_a_part_of_their_frequency(archive):
    rng, oversampling = np.random.default_rng(4), 3.0
    frequency = np.arange(1, 2001) / 1000
    power = rng.exponential(frequency**-1.5)
    order = rng.permutation(frequency.size)
    _write(archive, "".join(f"{frequency[i]:.3f} {power[i]:.9e}\n" for i in order))
    row = archive.read("a.txt", tables=[RAW | {"rebin": 0.1, "oversampling": oversampling}])
    lo, hi = _edges(row)
    width = hi - lo
    assert lo[0] == pytest.approx(0.0005)
    assert lo[1:] == pytest.approx(hi[:-1])  # nothing is lost, nothing counted twice
    assert row["n"] * oversampling == pytest.approx(width / 0.001)
    assert row["power"] @ width == pytest.approx(
        0.001 * power[: int(row["n"].sum() * 3 + 0.5)].sum()
    )
    wide = lo > 0.03  # below, a bin holds the three powers of one independent frequency
    assert row["n"][~wide].tolist() == [1.0] * (~wide).sum()
    assert width[wide][:-1] == pytest.approx(0.1 * lo[wide][:-1], abs=0.00061)
    assert len(lo) < 60


def test_a_bin_of_rebinned_powers_reaches_over_no_mask(archive):
    frequency = np.arange(1, 1001) / 1000
    power = np.where((frequency > 0.5) & (frequency < 0.504), 1e6, 1.0)
    _write(archive, "".join(f"{f:.3f} {p}\n" for f, p in zip(frequency, power, strict=True)))
    told = {"rebin": 0.05, "mask": [[0.496, 0.508]], "average": 4}
    row = archive.read("a.txt", tables=[RAW | told])
    lo, hi = _edges(row)
    assert row["power"] == pytest.approx(1.0)
    assert not ((lo < 0.508) & (hi > 0.496)).any()
    assert row["n"].min() == 4
    assert row["n"] == pytest.approx((hi - lo) / 0.001)


def test_a_power_that_is_missing_here_and_there_does_not_end_a_bin(archive):
    frequency = np.arange(1, 1001) / 1000
    power = ["nan" if k % 3 == 0 else "2.0" for k in range(1000)]
    _write(archive, "".join(f"{f:.3f} {p}\n" for f, p in zip(frequency, power, strict=True)))
    row = archive.read("a.txt", tables=[RAW | {"rebin": 0.1}])
    lo, hi = _edges(row)
    high = lo > 0.1
    assert (hi - lo)[high][:-1] == pytest.approx(0.1 * lo[high][:-1], abs=0.0031)
    assert row["n"][high] == pytest.approx(2 / 3 * (hi - lo)[high] / 0.001, abs=1.5)


def test_too_few_raw_powers_for_a_bin_are_said(archive):
    _write(archive, "1 1\n2 1\n3 1\n")
    row = archive.read("a.txt", tables=[RAW | {"rebin": 0.1, "average": 4}])
    assert row["status"] == "bad_spectrum"
    assert "lower ingest.tables.average" in row["reason"]


def test_powers_with_errors_and_edges(archive):
    _write(archive, "0,1,3,0.3\n1,3,2,0.2\n")
    names = ("frequency_lo", "frequency_hi", "power", "error")
    columns = dict(zip(names, (1, 2, 3, 4), strict=True))
    row = archive.read("a.txt", tables=[{"files": "*", "kind": "spectrum", "columns": columns}])
    assert row["power_err"].tolist() == [0.3, 0.2]
    assert (row["frequency_hi"].tolist(), row["noise"]) == ([1.0, 3.0], 2.0)
    assert len(row["n"]) == 0


def test_a_fits_table_with_names_of_its_own(archive, make):
    columns = {"T": np.arange(4.0), "CHANNEL3": np.arange(1.0, 5.0)}
    archive.add("a.fits", make.table("IRRADIANCE", columns, {"TELESCOP": "PROBA2"}))
    table = {"files": "*.fits", "columns": {"time": "t", "rate": "channel3"}}
    row = archive.read("a.fits", tables=[table | {"keywords": {"TIMEUNIT": "min"}}])
    assert row["time"].tolist() == [30.0, 90.0, 150.0, 210.0]
    assert row["rate"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert row["mission"] == "proba2"


def test_values_without_times_are_as_far_apart_as_timedel(archive, make):
    archive.add("a.fits", make.table("", {"DATA": np.arange(4.0)}))
    table = {"files": "*", "columns": {"rate": 1}, "keywords": {"TIMEDEL": 0.5}}
    assert archive.read("a.fits", tables=[table])["time"].tolist() == [0.25, 0.75, 1.25, 1.75]


@pytest.mark.parametrize(
    ("text", "table", "reason"),
    [
        ("t,r\n1,2\n", {"columns": {"time": "t", "rate": "x"}}, "no column 'x'.*found t, r"),
        ("1 2\n", {"columns": {"time": 1, "rate": 3}}, "column 3 .*of 2 columns"),
        ("<html>\n", {}, "no line of numbers"),
        (b"\x00\x01\xff\xfe", {}, "no line of numbers"),
        ("1 2\n", {"skip": 3}, "no line of numbers"),
    ],
)
def test_text_that_is_not_what_the_configuration_says(archive, text, table, reason):
    _write(archive, text)
    row = archive.scan("a.txt", tables=[CURVE | table])
    assert row["status"] == "unreadable"
    assert re.search(reason, row["reason"])


def _read_text(archive, text, **table):
    _write(archive, text)
    tables = IngestOptions(tables=[CURVE | table])
    (row,) = _rows(archive.listed("a.txt"), archive.root, tables)
    return row


def test_a_column_of_words_is_named(archive):
    row = _read_text(archive, "1 2\n2 three\n3 four\n")
    assert row["status"] == "unreadable"
    assert "'three'" in row["reason"]


def test_a_line_cut_short_before_the_column_is_a_reason(archive):
    row = _read_text(archive, "t,rate\n1\n", columns={"time": "t", "rate": "rate"})
    assert row["status"] in ("no_data", "bad_time", "unreadable")


@pytest.mark.parametrize(("line", "said"), [("3.0 four", "'four'"), ("3.0", "''")])
def test_a_line_of_a_spectrum_that_is_no_number_is_named(archive, line, said):
    _write(archive, f"1.0 2\n2.0 3\n{line}\n4.0 3\n")
    spectrum = {"files": "*.txt", "kind": "spectrum", "columns": {"frequency": 1, "power": 2}}
    tables = IngestOptions(tables=[spectrum])
    (row,) = _rows(archive.listed("a.txt"), archive.root, tables)
    assert row["status"] == "unreadable"
    assert f"row 2: {said} is no number" in row["reason"]


def test_cells_without_a_number_are_left_out_and_counted(archive):
    """A limit, a word, a hole, a footnote and Fortran's exponents, each in a line of its own."""
    lines = [f"{i} {1 + i % 3}" for i in range(40)]
    lines[5:10] = ["5 <0.3", "6 INDEF", "7 ...", "8", "9 1.5*"]
    lines[20] = "2.0D+01 1.0d0"
    row = _read_text(archive, "\n".join(lines) + "\n")
    assert row["status"] == "ok"
    assert row["time"] + row["t_start"] == pytest.approx([*range(5), *range(10, 40)])
    assert row["rate"][15] == 1.0
    assert row["n_dropped"] == 5
    for what in ("1 with limits in", "3 with no value", "1 with '1.5*'"):
        assert what in row["reason"]
    assert Flag(row["flags"]) & (Flag.STAND_INS | Flag.TIMES_DROPPED) == (
        Flag.STAND_INS | Flag.TIMES_DROPPED
    )


def test_words_and_numbers_that_the_configuration_calls_missing(archive):
    lines = [f"{i} {1 + i % 3}" for i in range(40)]
    lines[4], lines[8] = "4 88.8", "8 saturated"
    row = _read_text(archive, "\n".join(lines) + "\n", missing=[88.8, "Saturated"])
    assert len(row["rate"]) == 38
    assert "'88.8'" in row["reason"]


def test_text_longer_than_it_may_be_is_refused(archive):
    _write(archive, gzip.compress(b"1 2\n" * 1000), "a.txt.gz")
    row = archive.scan("a.txt.gz", tables=[CURVE | {"files": "*"}], max_decompressed=10)
    assert "max_decompressed" in row["reason"]


def test_text_of_which_nothing_is_said_says_what_to_do(archive):
    _write(archive, "1 2\n2 3\n")
    assert "ingest.tables" in archive.scan("a.txt")["reason"]


@pytest.mark.parametrize(
    ("pattern", "file", "stars"),
    [
        ("k/*_LC.txt", "k/12_LC.txt", ("12",)),
        ("k/*_LC.txt", "k/a/12_LC.txt", None),
        ("**.txt", "k/a/12.txt", ("k/a/12",)),
        ("a+b/*", "a+b/c", ("c",)),
    ],
)
def test_patterns_of_files(pattern, file, stars):
    options = IngestOptions(tables=[CURVE | {"files": pattern, "keywords": {"OBJECT": "{1}"}}])
    found = mapping.entry_for(file, options.tables)
    assert (None if found is None else (found.keywords["OBJECT"],)) == stars


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"columns": {"time": 1}}, "need rate or counts"),
        ({"columns": {"rate": 1}}, "need time, or keywords TIMEDEL"),
        ({"kind": "spectrum", "columns": {"power": 1}}, "need frequency"),
        ({"columns": {"time": 1, "rate": 0}}, "ingest.tables.0.columns.rate"),
        ({"column": {}}, "did you mean 'columns'"),
        (
            {
                "kind": "spectrum",
                "columns": {"frequency": 1, "power": 2, "error": 3},
                "average": 2,
            },
            "average is for raw powers",
        ),
        (
            {"kind": "spectrum", "columns": {"frequency": 1, "power": 2, "n": 3}, "rebin": 0.1},
            "rebin is for raw powers",
        ),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(table, fault):
    with pytest.raises(ConfigError, match=fault):
        validate({"archive": "a", "ingest": {"tables": [CURVE | table]}})


@pytest.fixture(scope="module")
def timeseries(shared):
    """All files of the time series, as the configuration in the repository reads them."""
    folder, options = shared / "timeseries", load(ROOT / "config/examples/timeseries.yaml").ingest
    rows = {}
    for listed in list_folder(folder):
        (rows[listed.file],) = _rows(listed, folder, options, "object")
    return rows


def test_every_file_of_the_time_series_is_an_observation(timeseries):
    assert len(timeseries) == 126
    assert {row["status"] for row in timeseries.values()} == {"ok"}
    assert all(row["object"] for row in timeseries.values())
    assert timeseries["maxi/GRS1915.asc"]["object"] == "GRS1915"
    assert len(timeseries["kepler/1435467_LC.txt"]["rate"]) == 37919
    assert len(timeseries["kepler/2309595_PS.txt"]["power"]) == 106123 // 50
    row = timeseries["maxi/CygX-1.asc"]
    first = row["t_start"] + row["dt"] / 2  # MJD 55060.1056 UTC, 66.184 s before TT
    assert (row["time_system"], row["mjd_ref"], row["mjd_ref_frac"]) == ("TT", 0, 0.0)
    assert first == pytest.approx(55060.1056 * 86400 + 66.184, abs=1e-5)
    assert not any(row["flags"] & Flag.OVERSAMPLED for row in timeseries.values())


def test_an_oversampling_that_is_copied_from_another_file_is_flagged(shared):
    folder, example = shared / "timeseries", load(ROOT / "config/examples/timeseries.yaml").ingest
    last = example.tables[2].model_copy(update={"oversampling": 10.0})
    for tables in ([example.tables[1].model_copy(update={"files": "kepler/*_PS.txt"})], [last]):
        options = example.model_copy(update={"tables": tables})
        star = "kepler/1435467_PS.txt"
        listed = next(one for one in list_folder(folder) if one.file == star)
        (row,) = _rows(listed, folder, options, "object")
        assert row["flags"] & Flag.OVERSAMPLED


def test_linear_11375941_pulses_with_its_published_period(timeseries):
    """2.58014 h (RR Lyrae of the LINEAR survey, Palaversa et al. 2013)."""
    row = timeseries["linear/LINEAR_11375941.csv"]
    hours = np.linspace(2.5795, 2.5805, 2001)
    search = LombScargle(row["time"], row["rate"], row["rate_err"], nterms=2)
    coarse = np.linspace(2.3, 2.9, 20001)
    power = search.power(1 / (3600 * np.concatenate([hours, coarse])))
    best = np.concatenate([hours, coarse])[np.argmax(power)]
    assert best == pytest.approx(2.58014, abs=2e-5)


@pytest.mark.slow
def test_solar_like_oscillations_are_at_their_published_frequency(timeseries):
    """nu_max 1382 +- 9 and 643 +- 9 uHz (KIC 1435467, KIC 2309595), within two joint errors."""
    from pipeline.fit import fit_spectra

    for star, published in (("1435467", 1382.0), ("2309595", 643.0)):
        row = timeseries[f"kepler/{star}_PS.txt"]
        frequency = (row["frequency_lo"] + row["frequency_hi"]) / 2
        wanted = np.flatnonzero((frequency > 1e-4) & (frequency < 4e-3))[:900]
        power, n = row["power"][wanted], row["n"][wanted]
        result = fit_spectra(
            ["constant", "harvey", "gaussian"], power[np.newaxis], frequency[wanted], n=n
        )
        value, lo, hi = (float(v[0]) * 1e6 for v in result["gaussian.1.frequency"])
        assert abs(value - published) < 2 * np.hypot(max(lo, hi), 9.0)
