"""Accepted gaps and what is ignored, through the real differ: closed as such, and back by itself."""

from __future__ import annotations

import pytest
from common.clock import instant, parse_instant
from common.declarations.loader import load
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
LATE = finding("F-1", completion_date="June 30, 2023")
END = parse_instant("2023-07-16T04:00:00Z")
ACCEPTED = """
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {name: archive-closes}
spec:
  desiredState: money-findings-closed
  entity: F-1
  rules: [fixed, proven]
  reason: The archive is closed in the middle of July.
  until: 2023-07-15
"""
IGNORED = """  ignore:
    - {attributes: [due], because: Dates are kept elsewhere.}
  verification:
"""


async def test_an_accepted_gap_closes_as_accepted_and_opens_again_by_itself(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", LATE))
    await replay.deliver(await replay.observe("finding", finding("F-2", completion_date="June 30, 2023")))
    version = (await replay.gap_events(CASE))[0].data["version"]
    await replay.deliver(*await replay.activate(ACCEPTED))
    await replay.review()
    closed = (await replay.gap_events(CASE))[-1]
    assert (closed.type, closed.data["reason"], closed.data["version"]) == (
        "trueup.gap.closed.v1",
        "accepted",
        version,
    )
    (by,) = closed.data["accepted"]["by"]
    (document,) = load(ACCEPTED, "accepted.yaml").documents
    assert by == {"name": "archive-closes", "version": document.digest, "rules": ["fixed"], "until": instant(END)}
    assert (await replay.case(CASE)).stage == "accepted"
    assert await replay.said("money-findings-closed/F-2/1") == ["opened"], "nothing of other cases is touched"
    counts = await replay.transact(replay.differ.counts)
    assert counts["money-findings-closed"]["accepted"] == 1

    # News of the entity does not open it, the end of the day does: with no message, in the same case.
    await replay.deliver(await replay.observe("finding", {**LATE, "title": "Anew"}, at=START + days(0.1)))
    assert await replay.said(CASE) == ["opened", "closed"]
    replay.restarted()
    await replay.deliver(await replay.clock_to(START + days(20)))
    last = (await replay.gap_events(CASE))[-1]
    assert (last.type, last.asof) == ("trueup.gap.opened.v1", instant(END))
    assert (await replay.transact(replay.differ.counts))["money-findings-closed"]["accepted"] == 0


async def test_an_accepted_gap_that_was_accepted_before_it_was_seen_opens_no_case(replay: DifferRealm) -> None:
    await replay.begin(FINDINGS.read_text() + "---" + ACCEPTED)
    await replay.deliver(await replay.observe("finding", LATE))
    assert await replay.said() == []
    assert (await replay.transact(replay.differ.counts))["money-findings-closed"]["accepted"] == 1
    assert await replay.pool.fetchval("SELECT exempt FROM differ.cases") == "accepted: fixed (archive-closes)"


async def test_only_what_is_accepted_leaves_the_case(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", {**LATE, "completion_date": "April 30, 2023"}))
    assert await replay.failing(CASE) == {"fixed": "missed", "proven": "missed"}
    await replay.deliver(*await replay.activate(ACCEPTED.replace("[fixed, proven]", "[fixed]")))
    await replay.review()
    assert await replay.failing(CASE) == {"proven": "missed"}
    changed = (await replay.gap_events(CASE))[-1]
    assert changed.data["changed"] == ["fixed: accepted (archive-closes)"]


async def test_what_is_ignored_closes_as_ignored(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", LATE))
    await replay.deliver(*await replay.activate(FINDINGS.read_text().replace("  verification:\n", IGNORED)))
    await replay.review()
    assert (await replay.gap_events(CASE))[-1].data["reason"] == "ignored"
    assert (await replay.case(CASE)).stage == "ignored"
