"""For whom a case waits: by a row that its source reports again and again, stored once; by all events of a case."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from approver.adapters.facts import StoredFacts
from approver.ports import Subject
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.events import Event, Origin, new_event
from common.events.observer import EntityObserved, EntityWithdrawn, SourceReported
from common.ids import source_stream
from support.casework import FINDINGS
from support.office import Office
from support.walk import at

pytestmark = pytest.mark.integration

REQUESTS = Path(__file__).parents[2] / "loop" / "requests.yaml"
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


def snapshot(office: Office, day: str, *refreshed: str, recorded: datetime | None = None) -> Event:
    data = SourceReported(
        feed="audit-tracker", entity_type="finding", snapshot=day, as_of=instant(at(day)), rows=len(refreshed),
        rows_digest="0", complete=True, refreshed=list(refreshed), stored=[],
    )  # fmt: skip
    origin = Origin(
        source="observer", actor="feed:audit-tracker", time=office.walk.wall, asof=recorded or office.walk.asof
    )
    return new_event(data, source_stream(data.feed), origin, day)


async def test_a_row_that_is_reported_again_unchanged_stays_fresh_in_lists_too(office: Office) -> None:
    await office.open_gap()
    assert (await unknown(office) or "").startswith("stale since")
    await office.put(snapshot(office, "2023-08-01 00:00", "2022-091"))
    assert (await unknown(office) or "").startswith("stale since"), "another row of that source says nothing of this"
    await office.put(snapshot(office, "2023-08-10 00:00", office.walk.key))
    assert await unknown(office) is None


async def test_reports_that_are_too_old_to_help_are_not_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.open_gap()
    days = [LATE - timedelta(days=age) for age in range(50, 0, -1)]
    await office.put(*(snapshot(office, f"{day:%Y-%m-%d %H:%M}", "2022-091", recorded=day) for day in days))
    read: list[str] = []
    of = SourceReported.of

    def counted(event: Event) -> SourceReported:
        read.append(event.id)
        return of(event)

    monkeypatch.setattr(SourceReported, "of", counted)
    assert (await unknown(office) or "").startswith("stale since")
    assert len(read) == 35, "34 days of reports may still say that it is fresh, and the next one ends it"


async def test_a_case_is_read_from_all_of_its_events(office: Office) -> None:
    catalogue = Catalogue().with_documents(load(REQUESTS.read_bytes(), "requests.yaml").documents)
    await office.put(*(event(office, *said) for said in (("receive", 1, 250), ("check", 3), ("letter", 2))))
    facts = StoredFacts(cast(Any, None), cast(Any, None))
    subject = Subject("requests-checked", "request", "R-1")

    async def known() -> dict[str, Any]:
        async with office.pool.acquire() as conn:
            found = (await facts.reported(conn, catalogue, [subject], at("2023-07-09 00:00"))).get(subject)
        return {} if found is None else {name: (fact.value, fact.event_id) for name, fact in found.facts.items()}

    newest = event(office, "check", 3).id
    assert await known() == {
        "amount": (250, newest),
        "received": ("2023-07-01T00:00:00Z", newest),
        "checks_done": ("2023-07-03T00:00:00Z", newest),
        "unchecked": (False, newest),
    }
    await office.put(event(office, None, 4))
    assert await known() == {}, "it was withdrawn"
    await office.put(event(office, "receive", 5))
    assert (await known())["amount"] == (250, event(office, "receive", 5).id), "and is there again"


def event(office: Office, what: str | None, day: int, *amount: int) -> Event:
    """Something happened to the request; or (None) it is withdrawn."""
    body: dict[str, Any] = {
        "entity_type": "request", "key": "R-1", "feed": "requests", "source_time": f"2023-07-0{day}T00:00:00Z",
        "upstream_id": f"{day}",
    }  # fmt: skip
    row = {"id": "R-1", "what": what, **({"amount": amount[0]} if amount else {})}
    data = EntityWithdrawn(**body) if what is None else EntityObserved(**body, row=row)
    origin = Origin(source="observer", actor="feed:requests", time=office.walk.wall, asof=office.walk.asof)
    return new_event(data, "entity/request/R-1", origin, data.upstream_id)
