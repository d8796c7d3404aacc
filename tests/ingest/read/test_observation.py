"""An observation is a row of INGEST, in one place."""

import numpy as np

from pipeline.columns.ingest import INGEST
from pipeline.ingest.missions.identity import Identity
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status
from pipeline.tables import empty_row, rows_of, to_arrow


def _equal(a, b):
    return all(np.array_equal(a[k], b[k], equal_nan=isinstance(a[k], float)) for k in a)


def test_its_fields_are_the_columns_of_the_table():
    assert tuple(Observation().row()) == INGEST.names


def test_one_in_which_nothing_is_known_is_the_empty_row_without_an_epoch():
    (row,) = rows_of(to_arrow(INGEST, [Observation().row()]))
    (empty,) = rows_of(to_arrow(INGEST, [empty_row(INGEST) | {"mjd_ref": -1, "status": "ok"}]))
    assert _equal(row, empty)


def test_names_come_from_the_plan_and_from_the_header():
    entry = Entry("s", "o", "a.evt", kind="events", status=Status.TRUNCATED, reason="why")
    who = Identity("nicer", "xti", "77", "Crab", 83.6, 22.0)
    row = Observation(flags=Flag.NO_GTI).of_entry(entry).identified(who).row()
    assert [row[k] for k in ("source_id", "observation_id", "file")] == ["s", "o", "a.evt"]
    assert [row[k] for k in ("mission", "instrument", "object", "ra")] == [
        "nicer",
        "xti",
        "Crab",
        83.6,
    ]
    assert (row["status"], row["flags"], type(row["flags"])) == (Status.OK, int(Flag.NO_GTI), int)
    unread = Observation.unread(entry)
    assert (unread.status, unread.reason, unread.file) == (Status.TRUNCATED, "why", "a.evt")


def test_a_product_that_is_refused_has_its_name_and_the_reason():
    refused = Observation.refused(Rejected(Status.NO_DATA, "why"), "events/soft")
    assert (refused.product, refused.status, refused.reason) == ("events/soft", "no_data", "why")
