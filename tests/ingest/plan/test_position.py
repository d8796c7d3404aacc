"""An object is one source wherever its positions agree within the radius, and only there."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from pipeline.ingest.plan import position
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.found import FoundFile
from pipeline.status import Flag

ARCSEC = 1 / 3600


def row(file, name="", ra=np.nan, dec=np.nan, obs_id=""):
    return FoundFile(
        file,
        size=1,
        version=file,
        kind="events",
        mission="nicer",
        instrument="xti",
        observation_id=obs_id or file,
        object=name,
        ra=ra,
        dec=dec,
    )


def sources(*rows, group_by="position", radius=10.0):
    return {one.file: one.source_id for one in complete(rows, group_by, radius)}


def test_positions_agree_across_the_zero_of_right_ascension_and_at_the_pole():
    ra = np.array([359.9999, 0.0001, 10.0, 10.0, 200.0])
    dec = np.array([0.0, 0.0, 89.9999, 45.0, 89.9999])
    labels = position.groups(ra, dec, 1.0)
    assert labels[0] == labels[1]
    assert labels[2] == labels[4]
    assert len(set(labels)) == 3
    assert position.close(ra[:1], dec[:1], 10.0).shape == (0, 2)
    assert position.groups(ra[:0], dec[:0], 10.0).shape == (0,)


def test_no_position_of_an_object_is_near_one_of_another():
    rng = np.random.default_rng(1)
    centre = rng.uniform([0, -60], [360, 60], (40, 2))
    points = (centre[:, None] + rng.normal(0, 4 * ARCSEC, (40, 6, 2))).reshape(-1, 2)
    points[:, 0] %= 360
    labels = position.groups(*points.T, 10.0)
    sky = SkyCoord(*points.T, unit="deg")
    near = sky[:, None].separation(sky[None, :]).arcsec <= 10.0
    assert np.all((labels[:, None] == labels[None, :])[near])
    assert len(set(labels)) >= 40


def test_the_same_points_are_one_however_many(monkeypatch):
    asked = []
    close = position.close
    monkeypatch.setattr(
        position, "close", lambda ra, *rest: asked.append(len(ra)) or close(ra, *rest)
    )
    labels = position.groups(np.repeat([10.0, 50.0], 5000), np.repeat([1.0, 2.0], 5000), 10.0)
    assert asked == [2]
    assert [len(set(part)) for part in (labels[:5000], labels[5000:])] == [1, 1]


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (83.633083, 22.0145, "J053431.9+220052"),
        (0.0, -0.5, "J000000.0-003000"),
        (359.99999, 89.99999, "J235959.9+895959"),
    ],
)
def test_a_designation_is_cut_not_rounded(ra, dec, name):
    assert position.designation(ra, dec) == name


def test_two_names_at_one_place_are_one_source():
    found = sources(
        row("a", "SS_CYGNI", 325.6792, 43.5858),
        row("b", "SS Cyg", 325.67499, 43.586),
        row("c", "SS Cyg", 325.6765, 43.5858),
        row("d", "ss cyg"),
        row("e", "SS CYGNI"),
    )
    assert set(found.values()) == {"SSCYG"}


def test_one_name_at_two_places_is_two_sources_and_nobody_else():
    found = sources(
        row("a", "field", 10.0, 10.0), row("b", "field", 20.0, 10.0), row("c", "field", obs_id="7")
    )
    assert found == {"a": "FIELD@J004000.0+100000", "b": "FIELD@J012000.0+100000", "c": "FIELD"}


def test_without_a_name_the_position_is_one_and_without_both_the_observation():
    found = sources(row("a", "", 10.0, 10.0), row("b", "", 10.0, 10.001), row("c", obs_id="77"))
    assert found == {"a": "J004000.0+100000", "b": "J004000.0+100000", "c": "nicer:77"}


def test_names_do_not_depend_on_the_order_of_files():
    rows = [row(str(i), f"S{i % 3}", 10 + 5 * ARCSEC * i, 0.0) for i in range(6)]
    assert sources(*rows) == sources(*rows[::-1])
    assert set(sources(*rows).values()) == {"S0"}


def test_two_names_at_one_place_are_flagged_where_names_make_sources():
    rows = [
        row("a", "CRAB", 83.63321, 22.01446),
        row("b", "Crab Nebula", 83.63333, 22.01444),
        row("c", "M1 far", 83.7, 22.0),
        row("d", "crab"),
    ]
    flags = {one.file: one.flags for one in complete(rows, "object", 10.0)}
    same = int(Flag.SAME_POSITION)
    assert flags == {"a": same, "b": same, "c": 0, "d": same}
    assert not any(one.flags for one in complete(rows, "object", 0.1))
    for other in ("observation", "position"):
        assert not any(one.flags for one in complete(rows, other, 10.0))
