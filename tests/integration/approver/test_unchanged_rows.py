"""For whom a case waits, by a row that its source reports again and again, and that is stored once."""

from __future__ import annotations

from typing import Any, cast

import pytest
from approver.adapters.facts import StoredFacts
from approver.ports import Subject
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.events import Event, Origin, new_event
from common.events.observer import SourceReported
from common.ids import source_stream
from support.casework import FINDINGS
from support.office import Office
from support.walk import at

pytestmark = pytest.mark.integration

LATE = at("2023-08-20 00:00")
"""Fifty days after the row was stored; it is fresh for 35."""


async def unknown(office: Office) -> str | None:
    """Why the finding's position is Unknown by the row as last reported; None when it is known."""
    catalogue = Catalogue().with_documents(load(FINDINGS.read_bytes(), "findings.yaml").documents)
    subject = Subject("money-findings-closed", "finding", office.walk.key)
    facts = StoredFacts(cast(Any, None), cast(Any, None))  # neither is asked for what is only listed
    async with office.pool.acquire() as conn:
        known = await facts.reported(conn, catalogue, [subject], LATE)
    return known[subject].facts["position"].unknown


def snapshot(office: Office, day: str, *refreshed: str) -> Event:
    data = SourceReported(
        feed="audit-tracker", entity_type="finding", snapshot=day, as_of=instant(at(day)), rows=len(refreshed),
        rows_digest="0", complete=True, refreshed=list(refreshed), stored=[],
    )  # fmt: skip
    origin = Origin(source="observer", actor="feed:audit-tracker", time=office.walk.wall, asof=office.walk.asof)
    return new_event(data, source_stream(data.feed), origin, day)


async def test_a_row_that_is_reported_again_unchanged_stays_fresh_in_lists_too(office: Office) -> None:
    await office.open_gap()
    assert (await unknown(office) or "").startswith("stale since")
    await office.put(snapshot(office, "2023-08-01 00:00", "2022-091"))
    assert (await unknown(office) or "").startswith("stale since"), "another row of that source says nothing of this"
    await office.put(snapshot(office, "2023-08-10 00:00", office.walk.key))
    assert await unknown(office) is None
