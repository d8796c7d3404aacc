"""A dozen missions' real files, and files that are wrong in real ways."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.timeseries import BoxLeastSquares, LombScargle

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.archive import SourceOptions
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import plan_driver
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.found import FoundFile
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.status import Fault, Flag, Status
from pipeline.tables import read_parquet, rows_of, to_arrow


def _survey(folder, work, group_by="object", **said):
    """Plan an archive as one shard and read it in this process."""
    plan_driver.run(
        archive=folder,
        observations=work / "observations.parquet",
        plan=work / "plan",
        cache=None,
        options=IngestOptions(**said),
        source=SourceOptions(group_by=group_by),
        cluster=ClusterOptions(),
        shards=1,
    )
    in_archive = {
        r["file"]: r for r in rows_of(read_parquet(work / "observations.parquet", OBSERVATIONS))
    }
    entries = shard.read(work / "plan/shard-0000.tsv")
    rows = {
        entry.file: read_products(entry, folder, IngestOptions(**said))[0].row()
        for entry in entries
        if entry.status == Status.OK
    }
    return in_archive, rows


def _entry(archive, file):
    """The line of the plan for a file."""
    return Entry.of_found(FoundFile.of_row(archive[0][file]))


def _read(entry, folder, **said):
    """The rows of INGEST of a file."""
    return [one.row() for one in read_products(entry, folder, IngestOptions(**said))]


@pytest.fixture(scope="module")
def archive(shared, tmp_path_factory):
    return _survey(shared / "archive", tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def malformed(shared, tmp_path_factory):
    return _survey(shared / "malformed", tmp_path_factory.mktemp("malformed"))


def _z2(times, frequency):
    """Z^2_1 at each frequency: 2/N |sum exp(2 pi i f t)|^2 (Buccheri et al. 1983)."""
    phase = 2j * np.pi * np.outer(frequency, times)
    return 2 / len(times) * np.abs(np.exp(phase).sum(axis=1)) ** 2


def test_every_file_of_the_archive_is_an_observation(archive, shared):
    in_archive, rows = archive
    found = {p.relative_to(shared / "archive").as_posix() for p in (shared / "archive").rglob("*")}
    files = {f for f in found if (shared / "archive" / f).is_file()}
    assert set(in_archive) == files
    assert {row["status"] for row in in_archive.values()} == {Status.OK}
    assert {row["status"] for row in rows.values()} == {Status.OK}
    assert len(files) == 77


def test_rows_fit_their_table_and_hold_what_they_promise(archive, malformed):
    for file, row in (*archive[1].items(), *malformed[1].items()):
        to_arrow(INGEST, [row])
        assert row["product"].startswith(row["kind"]), file
        time = row["time"]
        assert np.isfinite(time).all(), file
        assert np.all(np.diff(time) >= 0), file
        assert np.all(row["gti_stop"] > row["gti_start"]), file
        assert np.all(row["gti_start"][1:] > row["gti_stop"][:-1]), file
        if row["kind"] == "events":
            assert row["gti_start"][0] == 0.0, file
            assert 0.0 <= time[0] <= time[-1] <= row["gti_stop"][-1], file
            assert len(row["energy"]) in (0, len(time)), file
        else:
            assert len(row["rate"]) == len(time), file
            assert np.isfinite(row["rate"]).all(), file
            assert np.min(np.diff(time)) > 0.97 * row["dt"], file


def test_every_malformed_file_is_a_rejected_or_a_flagged_row(malformed):
    in_archive, rows = malformed
    assert len(in_archive) == 28
    for file, row in in_archive.items():
        if row["status"] == Status.OK:
            assert rows[file]["status"] == Status.OK, file
        else:
            assert row["reason"], file
            assert Status(row["status"]).fault in (Fault.INPUT, Fault.NOBODY), file
    statuses = {file: row["status"] for file, row in in_archive.items()}
    assert statuses["misc/goes_13_leap_second.nc"] == "unreadable"
    assert statuses["lfs_pointers/xte_test.evt.gz"] == "unreadable"
    assert statuses["stingray/lcurveA.fits"] == "duplicate"
    assert statuses["hendrics/monol_testA_timezero_gti.evt"] == "set_aside"
    flags = {file: Flag(row["flags"]) for file, row in rows.items()}
    assert Flag.UNSORTED in flags["misc/testevdata_1day_unordered.fits"]
    assert Flag.NO_GTI in flags["hendrics/monol_testA_nomission.evt"]
    assert Flag.NO_MJDREF in flags["dave/pytest_test.evt"]
    assert Flag.UNKNOWN_MISSION in flags["stingray/nomission.evt"]


def test_mjdref_in_one_keyword_or_two_is_the_same_time(malformed):
    rows = malformed[1]
    one = rows["hendrics/monol_testA_mjdref.evt"]
    two = rows["hendrics/monol_testA.evt"]
    assert one["mjd_ref"] == two["mjd_ref"]
    assert one["mjd_ref_frac"] == pytest.approx(two["mjd_ref_frac"], abs=1e-11)
    shifted = rows["hendrics/monol_testA_timezero.evt"]
    assert shifted["t_start"] - two["t_start"] == pytest.approx(0.2, abs=1e-6)
    assert shifted["time"] == pytest.approx(two["time"], abs=1e-6)


def test_spellings_of_one_object_are_one_source(archive):
    in_archive = archive[0]
    files = [row for file, row in in_archive.items() if file.startswith("xmm/PN_0")]
    assert len({row["object"] for row in files}) == 3
    assert {row["source_id"] for row in files} == {"1ES1927+654"}
    assert len({row["observation_id"] for row in files}) == 13


def test_an_object_under_two_names_is_one_source_by_position_and_flagged_by_name(
    archive, shared, tmp_path
):
    by_name = {row["file"]: row for row in archive[0].values()}
    flagged = {r["source_id"] for r in by_name.values() if r["flags"] & Flag.SAME_POSITION}
    assert flagged == {"CRAB", "CRABNEBULA", "M82", "M82ULX", "SSCYG", "SSCYGNI"}

    def plan(**source):
        plan_driver.run(
            archive=shared / "archive",
            observations=tmp_path / "observations.parquet",
            plan=tmp_path / "plan",
            cache=tmp_path / "cache.parquet",
            options=IngestOptions(),
            source=SourceOptions(**source),
            cluster=ClusterOptions(),
            shards=1,
        )

    pairs = "CRAB and CRABNEBULA; M82 and M82ULX; SSCYG and SSCYGNI"
    with pytest.raises(ConfigError, match=f"{pairs}. Set source.group_by to position"):
        plan(group_by="object", same_position="error")
    assert not (tmp_path / "observations.parquet").exists()
    plan(group_by="position", same_position="error")
    rows = rows_of(read_parquet(tmp_path / "observations.parquet", OBSERVATIONS))
    names = {row["file"]: row["source_id"] for row in rows}
    assert {names[f] for f, r in by_name.items() if r["source_id"] in flagged} == {
        "CRAB",
        "M82",
        "SSCYG",
    }
    assert not any(row["flags"] for row in rows)
    assert {n for f, n in names.items() if f.startswith("xmm/PN_0")} == {"1ES1927+654"}
    placed = [row for row in rows if np.isfinite(row["ra"])]
    sky = SkyCoord([r["ra"] for r in placed], [r["dec"] for r in placed], unit="deg")
    near = sky[:, None].separation(sky[None, :]).arcsec <= SourceOptions().radius
    sources = np.array([row["source_id"] for row in placed])
    assert np.all((sources[:, None] == sources[None, :])[near])


def test_the_bands_of_an_observation_are_products_of_their_own(archive):
    products = {row["product"] for file, row in archive[1].items() if "xmm/PN_0915" in file}
    assert products == {
        "lightcurve/xmm/epn/0.3-10.0keV/50s",
        "lightcurve/xmm/epn/0.3-2.0keV/20s",
        "lightcurve/xmm/epn/2.0-10.0keV/20s",
    }
    modules = [row["product"] for file, row in archive[1].items() if file.endswith("_sr.lc")]
    assert len(set(modules)) == 2


def test_nicer_events_pulse_at_the_period_of_1e_2259_586(archive):
    row = archive[1]["nicer/ni1020600110_bary.evt"]
    assert (len(row["time"]), len(row["gti_start"])) == (89465, 35)
    assert row["exposure"] == pytest.approx(4033.8, abs=0.1)
    assert not row["flags"]
    frequency = 0.14328 + np.arange(-20, 21) * 8e-6
    power = _z2(row["time"], frequency)
    assert frequency[np.argmax(power)] == pytest.approx(0.14328, abs=1.6e-5)
    assert power.max() > 200


def test_rxte_events_pulse_at_the_frequency_of_b1509_58(archive):
    row = archive[1]["rxte/B1509_RXTE_short.fits"]
    frequency = 6.5957 + np.arange(-40, 41) * 5e-5
    power = _z2(row["time"], frequency)
    assert frequency[np.argmax(power)] == pytest.approx(6.5957, abs=1e-3)
    assert power.max() > 200
    assert row["t_start"] == pytest.approx(537721726.0 + 3.37842846, abs=1e-6)


def test_ten_thousand_good_time_intervals_are_an_exposed_fraction_of_100_s_bins(archive):
    row = archive[1]["xmm/PN_source_lightcurve_raw.lc"]
    assert len(row["time"]) == 226
    assert row["exposure"] == pytest.approx(10181.67, abs=0.01)
    assert 0.3 < np.median(row["fracexp"]) < 0.6
    assert row["counting"]


def test_times_agree_with_the_dates_in_the_headers(archive):
    in_archive, rows = archive
    for file, row in rows.items():
        if row["mjd_ref"] < 0 or np.isnan(in_archive[file]["mjd_start"]):
            continue
        start = row["mjd_ref"] + row["mjd_ref_frac"] + row["t_start"] / 86400
        assert in_archive[file]["mjd_start"] - 0.01 <= start, file
    goes = rows["goes/go1520110607.fits"]
    assert goes["mjd_ref"] == 55719  # 2011-06-07
    xronos = rows["nustar/nu80415201001A06_chu2_S_cl_grade0.flc"]
    corrected = rows["nustar/nu80415201001A06_chu2_S_cl_grade0_sr.lc"]
    begin = [r["mjd_ref"] + r["mjd_ref_frac"] + r["t_start"] / 86400 for r in (xronos, corrected)]
    assert begin[0] == pytest.approx(begin[1], abs=1e-9)


def test_gbm_energies_come_from_the_bounds_in_its_file(archive):
    row = archive[1]["fermi_gbm/glg_tte_n3_bn080916009_v01.fit.gz"]
    assert len(row["time"]) == 451128
    assert row["energy"].min() == pytest.approx((4.2337 + 5.1747) / 2, rel=1e-3)


def test_311_power_spectra_share_one_response(shared, tmp_path):
    folder = shared / "grs1915_pds"
    in_archive, rows = _survey(folder, tmp_path, "observation")
    assert len(rows) == 311
    assert in_archive["power_0_249.rmf"]["status"] == "set_aside"
    assert {row["status"] for row in rows.values()} == {Status.OK}
    row = rows["10258-01-02-00.pha"]
    assert row["source_id"] == "10258-01-02-00"
    level = row["noise"]
    assert row["power"][0] == pytest.approx(1.4115830659866333 / 0.0078125 + level)
    assert (row["frequency_lo"][0], row["frequency_hi"][-1]) == (0.00390625, 63.04296875)
    assert len(row["power"]) == 251

    levels = np.array([row["noise"] for row in rows.values()])
    doubtful = int(Flag.NOISE_ESTIMATED | Flag.NORM_DOUBTFUL)  # as nobody says it
    assert {row["flags"] for row in rows.values()} == {doubtful}
    assert np.median(levels) == pytest.approx(1.933, abs=0.005)  # 2, less by the dead time
    assert np.abs(levels - 1.9).max() < 0.2
    single = [(r["power"][:8] / r["power_err"][:8]) ** 2 for r in rows.values()]
    assert np.mean([np.allclose(n, n[0].round(), atol=1e-3) for n in single]) > 0.9  # segments


def test_118_power_spectra_each_without_a_noise_level_of_its_own(shared, tmp_path):
    _, rows = _survey(shared / "maxij1535_pds", tmp_path, "observation", spectrum_norm="frac")
    assert len(rows) == 118
    assert {row["status"] for row in rows.values()} == {Status.OK}
    assert all(row["flags"] & Flag.NOISE_ESTIMATED for row in rows.values())
    row = rows["1050360105_1.pds"]
    # one segment: the errors of single ordinates are the powers with the noise in them
    first = row["power_err"][:8] / row["power"][:8]
    np.testing.assert_allclose(first, 1.0, atol=0.05)
    total = np.concatenate([row["power"] for row in rows.values()])
    assert np.mean(total <= 0) < 1e-3
    assert all(len(row["n"]) == len(row["power"]) for row in rows.values())


@pytest.mark.parametrize(
    "name", ["kepler/kplr009726699-2009350155506_llc.fits", "xmm/PN_0915390701_0.3-2.0_20s.lc"]
)
def test_checksums_of_mission_files_hold(shared, name):
    """Of the bytes as they are: Astropy writes Kepler's headers anew and finds another sum."""
    with fits_file.open_fits(shared / "archive" / name, 10**9) as hdus:
        assert not fits_file.checksum_fails(hdus)


def test_gj_1243_rotates_with_its_published_period(archive):
    """0.5926 d (Hawley et al. 2014)."""
    row = archive[1]["kepler/kplr009726699-2009350155506_llc.fits"]
    a_day = np.linspace(1 / 0.8, 1 / 0.4, 4001)
    power = LombScargle(row["time"], row["rate"], row["rate_err"]).power(a_day / 86400)
    assert 1 / a_day[np.argmax(power)] == pytest.approx(0.5926, abs=5e-4)


def test_wasp_126_is_transited_with_the_published_period(archive):
    """3.2888 d (Maxted et al. 2016); bins of 20 min are enough for a transit of 3 h."""
    row = archive[1]["tess/hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits"]
    n = len(row["time"]) // 10 * 10
    time, rate = (row[c][:n].reshape(-1, 10).mean(axis=1) for c in ("time", "rate"))
    days = np.linspace(3.0, 3.6, 601)
    power = BoxLeastSquares(time / 86400, rate / np.median(rate)).power(days, 0.14).power
    assert days[np.argmax(power)] == pytest.approx(3.2888, abs=5e-3)


def test_the_1_67_mhz_qpo_of_1es_1927_is_in_the_hard_band(archive):
    """Masterson et al. 2025: 1.67 mHz in July 2022, 2-10 keV; the highest peak from 1 to 10 mHz."""
    row = archive[1]["xmm/PN_0915390701_2.0-10.0_20s.lc"]
    frequency = np.arange(1e-3, 10e-3, 1e-5)
    power = LombScargle(row["time"], row["rate"], row["rate_err"]).power(frequency)
    assert frequency[np.argmax(power)] == pytest.approx(1.67e-3, abs=1e-4)


def test_rxte_events_have_energies_of_their_gain_epoch(archive):
    row = archive[1]["rxte/xte_gx_test.evt.gz"]
    assert len(row["energy"]) == len(row["time"])
    assert 3.0 < np.median(row["energy"]) < 30.0


def test_both_channels_of_goes_are_read(shared, archive):
    entry = _entry(archive, "goes/go1520110607.fits")
    rows = _read(entry, shared / "archive")
    assert [r["product"].split("/")[3] for r in rows] == ["1.5-12.4keV", "3.1-24.8keV"]
    assert np.median(rows[0]["rate"]) > np.median(rows[1]["rate"]) > 0
    # The X2.5 flare of 7 June 2011 peaks at 06:41 UTC in the long channel.
    peak = rows[0]["t_start"] + rows[0]["time"][np.argmax(rows[0]["rate"])]
    hours = ((rows[0]["mjd_ref_frac"] * 86400 - 66.184) + peak) / 3600
    assert hours == pytest.approx(6 + 41 / 60, abs=0.05)


def test_energy_bands_of_the_pulsar_add_up_to_all_of_its_events(shared, archive):
    entry = _entry(archive, "nicer/ni1020600110_bary.evt")
    bands = {"soft": (0.1, 2.0), "hard": (2.0, 20.0)}
    rows = _read(entry, shared / "archive", bands=bands)
    assert sum(len(r["time"]) for r in rows) == 89465
    assert {r["exposure"] for r in rows} == {archive[1][entry.file]["exposure"]}
