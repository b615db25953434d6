"""What the differ keeps, rebuilt from the ledger: the same after a real story, repaired after an alteration."""

from __future__ import annotations

import asyncio
import json

import pytest
from cli.main import app
from common.clock import instant
from common.errors import Refused
from common.events.observer import Doubt, SourceJudged
from common.ids import source_stream
from differ.main import SERVICE
from support.differ_realm import START, DifferRealm, days, finding, retest
from support.rebuilding import at_rest, changed, indexes, rebuilt, table
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
TABLES = (
    "entities", "entity_events", "entity_links", "snapshot_parts", "complete_snapshots", "sources", "entity_progress",
    "cases",
)  # fmt: skip
LATE = {"completion_date": "June 30, 2023"}
COMPLETE = {"corrective_action_status": "Corrective action complete"}


async def story(realm: DifferRealm) -> None:
    """Gaps that open, change, close, end and open again; undecided ones; snapshots, withdrawals, links, a clock."""
    await realm.begin()
    await realm.deliver(*[await realm.observe("finding", finding(f"F-{n}", **LATE)) for n in range(1, 5)])
    await realm.deliver(await realm.observe("finding", finding("F-5")))
    await realm.deliver(await realm.observe("finding", finding("F-6", completion_date="soon")))
    await realm.deliver(await realm.observe("finding", finding("F-7", material_weakness="perhaps", **LATE)))
    await realm.deliver(await realm.observe("retest", retest("R-1", "F-2")))
    changed = finding("F-1", completion_date="June 15, 2023", repeat_finding="Y")
    await realm.deliver(await realm.observe("finding", changed, START + days(0.1)))
    await realm.deliver(await realm.observe("finding", finding("F-2", **COMPLETE), START + days(0.1)))
    await realm.deliver(
        await realm.observe("finding", finding("F-4", compliance_requirements="L"), START + days(0.1))
    )
    await realm.deliver(await realm.withdraw("finding", "F-3", START + days(0.2)))
    await realm.deliver(await realm.close_case("money-findings-closed/F-3/1"))
    await realm.deliver(await realm.observe("finding", finding("F-3", **LATE), START + days(0.3)))
    await realm.deliver(await realm.snapshot("finding", START + days(0.4), "F-1", "F-2", "F-3", "F-5"))
    await realm.deliver(await realm.snapshot("finding", START + days(0.5), "F-1", part=1, parts=2))
    doubt = Doubt(reason_code="sequence_missing", since=instant(START), says="1 message is missing")
    judged = SourceJudged(feed="control-testing", doubts=[doubt])
    await realm.deliver(await realm.append("observer", source_stream("control-testing"), judged))
    await realm.deliver(await realm.clock_to(START + days(40)))
    await realm.deliver(await realm.observe("finding", finding("F-9", **LATE), START + days(40)))


async def kept(realm: DifferRealm) -> dict[str, list[dict[str, object]]]:
    return {name: await table(realm.pool, f"differ.{name}") for name in TABLES}


async def test_after_a_whole_story_rebuilt_and_live_are_the_same(replay: DifferRealm) -> None:
    await story(replay)
    before = await kept(replay)
    assert {case["condition"] for case in before["cases"]} >= {"gap", "undecided", "closed"}
    assert {case["occurrence"] for case in before["cases"]} >= {1, 2} and before["entity_links"]
    assert before["snapshot_parts"] and before["complete_snapshots"]
    assert any(case["selector_unknown"] for case in before["cases"]), "what no event says is taken over"
    names = {name: await indexes(replay.pool, f"differ.{name}") for name in TABLES}
    report = await rebuilt(replay.realm, SERVICE)
    assert report.differences == []
    after = await kept(replay)
    assert {name: len(rows) for name, rows in after.items()} == report.rows
    assert _all_parsed(after) == _all_parsed(before)
    for name in TABLES:
        assert await indexes(replay.pool, f"differ.{name}") == names[name]


ALTERED = {
    "case": ("cases", "UPDATE differ.cases SET condition = 'closed', fingerprint = '' WHERE key = 'F-1'"),
    "case gone": (
        "cases",
        "DELETE FROM differ.cases WHERE key = (SELECT min(key) FROM differ.cases "
        "WHERE selector_unknown IS NULL AND condition <> 'none')",
    ),
    "gap": ("cases", "UPDATE differ.cases SET gap = '{}' WHERE key = 'F-1'"),
    "row": ("entities", "UPDATE differ.entities SET row = '{}' WHERE key = 'F-1'"),
    "entity gone": ("entities", "DELETE FROM differ.entities WHERE key = 'F-1'"),
    "entity invented": (
        "entities",
        "INSERT INTO differ.entities SELECT entity_type, 'F-99', row, feed, source_time, sequence, event_id, "
        "position, as_of, withdrawn FROM differ.entities WHERE key = 'F-1'",
    ),
    "link": ("entity_links", "DELETE FROM differ.entity_links"),
    "snapshot": ("complete_snapshots", "UPDATE differ.complete_snapshots SET as_of = as_of + interval '1 day'"),
    "heard": ("sources", "UPDATE differ.sources SET heard = heard + interval '1 day' WHERE feed = 'audit-tracker'"),
    "doubts": ("sources", "UPDATE differ.sources SET doubts = '[]' WHERE feed = 'control-testing'"),
}


async def test_an_alteration_is_listed_and_repaired(replay: DifferRealm) -> None:
    await story(replay)
    before = _all_parsed(await kept(replay))
    for name, (of, statement) in ALTERED.items():
        await replay.pool.execute(statement)
        report = await rebuilt(replay.realm, SERVICE)
        assert changed(report) == {of: 1}, name
        assert [item.table for item in report.differences] == [of], name
        assert _all_parsed(await kept(replay)) == before, name


async def test_the_differ_goes_on_with_what_was_swapped_in(replay: DifferRealm) -> None:
    await story(replay)
    await rebuilt(replay.realm, SERVICE)
    said = len(await replay.said())
    await replay.deliver(await replay.observe("finding", finding("F-1", **LATE), START + days(41)))
    await replay.deliver(await replay.observe("finding", finding("F-8", **LATE), START + days(41)))
    assert (await replay.said())[said:] == ["opened", "opened"]
    assert (await rebuilt(replay.realm, SERVICE)).differences == []


async def test_what_can_not_be_folded_is_told(replay: DifferRealm) -> None:
    await replay.observe("finding", finding("F-1"))
    with pytest.raises(Refused) as refusal:
        await rebuilt(replay.realm, SERVICE)
    assert refusal.value.reason_code == "realm_missing"


async def test_the_command_compares_repairs_and_says_so(replay: DifferRealm) -> None:
    await story(replay)
    await at_rest(replay.realm)
    await replay.pool.execute("UPDATE differ.cases SET condition = 'closed' WHERE key = 'F-1'")
    command = ["ledger", "rebuild", "differ", "--json", "--database", replay.realm.url("differ")]
    for extra, code, swapped in ((["--check"], 1, False), ([], 0, True), (["--check"], 0, False)):
        result = await asyncio.to_thread(CliRunner().invoke, app, [*command, *extra])
        said = json.loads(result.stdout)["differ"]
        assert (result.exit_code, said["swapped"]) == (code, swapped)
        if code or swapped:
            (found,) = said["differences"]
            assert (found["key"], found["live"], found["rebuilt"]) == (
                ["money-findings-closed", "F-1"],
                {"condition": "closed"},
                {"condition": "undecided"},
            )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["observer"], "no_projection"),
        (["nobody"], "service_unknown"),
        ([], "which_service"),
        (["differ"], "database_unreachable"),
    ],
)
async def test_what_can_not_be_rebuilt_is_refused(arguments: list[str], code: str) -> None:
    command = ["ledger", "rebuild", *arguments, "--json", "--database", "postgresql://127.0.0.1:1/nothing"]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, code)


def _all_parsed(tables: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    return {name: sorted((_parsed(row) for row in rows), key=repr) for name, rows in tables.items()}


def _parsed(row: dict[str, object]) -> dict[str, object]:
    return {name: json.loads(str(row[name])) if name in ("gap", "row") and row[name] else row[name] for name in row}
