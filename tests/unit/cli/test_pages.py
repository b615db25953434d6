"""What people see of cases: titles, times with their zone, roles that nobody holds; on a terminal of 100 columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from approver.api.cases import case_line
from approver.api.pages import page
from approver.core.holding import holding
from approver.core.lines import line
from approver.desk import Opened
from cli.client import Client, Session
from cli.main import main
from cli.people import lists, screen, sessions
from cli.people import page as pages
from cli.people.page import case_page
from cli.people.words import plain
from common.cases import Case
from common.clock import RealmClock
from common.declarations.evaluation import EntityView, Origin
from common.directory import Directory
from common.events.approver import ApprovalGiven, DeclarationActivated, GapConfirmed, GapDisputed
from common.events.differ import Acceptance, Accepted, FailingRule, GapUndecided, Steady
from common.facts import entity_facts, last_told
from common.ledger import Recorded
from common.stages import STAGES
from rich.console import Console
from support.desk import around, confirmed, decided, draft, signed, ticketed
from support.walk import Walk, at, opened

TITLE = "Internal control over DG PA program cash management needs improvement"
ZONE = "America/New_York"


def shown(walk: Walk, person: str = "l.hansen", **changes: Any) -> str:
    """The case's page as printed on 100 columns."""
    recorded = [Recorded(at, event, b"") for at, event in enumerate(walk.ledger) if event.caseid == walk.id]
    body = page(Opened(draft(walk), recorded, around(walk, **changes)), person, RealmClock("replay", walk.asof))
    out = Console(width=100, file=StringIO(), highlight=False)
    for part in case_page(body.model_dump(mode="json"), person, "L. Hansen"):
        out.print(part)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 100
    return text


def listed(walk: Walk, **changes: Any) -> dict[str, Any]:
    """The case's line in lists, as the API answers it."""
    row = line(walk.case, "2023-07-03T00:00:00Z", around(walk, **changes))
    assert row is not None
    fields = {name: getattr(row, name) for name in row.__slots__}
    return case_line(fields, "l.hansen").model_dump(mode="json")


def nobody(walk: Walk) -> Directory:
    """The walk's directory without anybody who holds the role that confirms."""
    people = [person for person in walk.directory.people.values() if "head-of-compliance" not in person.roles]
    return Directory.of(walk.realm, people)


def test_a_case_says_what_it_is_about_before_anybody_confirms_it() -> None:
    text = shown(opened())
    assert text.splitlines()[2] == TITLE
    about = " ".join(text.split("The finding", 1)[1].split("WHAT HAPPENS", 1)[0].split())
    assert "number:" not in about, "the key stands in the first line"
    assert "department: Defense, Veterans and Emergency Management" in about
    assert "owner:" not in about, "the same value once"


def test_times_are_the_declarations_and_say_so() -> None:
    text = shown(ticketed())
    assert text.splitlines()[1] == "L. Hansen · 3 July 2023, 11:20 EDT (America/New_York, a replay clock)"
    assert "missed since 1 July 2023, 00:00 EDT" in " ".join(text.split())
    assert "until Mon 10 July 2023, 11:20 EDT" in " ".join(text.split())
    assert "due: 30 June 2023" in text and "2023-0" not in text
    assert listed(ticketed())["timezone"] == ZONE


def test_a_role_that_nobody_holds_is_said_with_what_to_do() -> None:
    walk = opened()
    text = " ".join(shown(walk, directory=nobody(walk)).split())
    told = "nobody in the directory holds this role: trueup people add ID --name NAME --role head-of-compliance"
    assert f"head-of-compliance to confirm: {told}" in text
    assert "nobody in the directory" not in shown(walk)
    assert listed(walk, directory=nobody(walk))["unheld"] == ["head-of-compliance"]
    assert listed(walk)["unheld"] == []
    assert pages.enter("control-owner/A, B").endswith("--role 'control-owner/A, B'")


def forged(walk: Walk, event_type: str, **changes: Any) -> Walk:
    """The walk with other attributes in the newest event of this type, as a stolen login writes it."""
    index = max(n for n, event in enumerate(walk.ledger) if event.type == event_type)
    other = replace(walk.ledger[index], **changes)
    walk.events[walk.events.index(walk.ledger[index])] = other
    walk.ledger[index] = other
    return walk


def test_what_a_source_in_doubt_reported_is_not_said_to_be_wrong() -> None:
    """Neither on the page nor in lists: what was missed is Unknown, because of the source."""
    walk = opened()
    quiet = "source_quiet: audit-tracker has said nothing since 2023-07-03 00:00 UTC"
    assert walk.case.gap is not None
    gap = walk.case.gap.data
    promised = gap.rules[0].says
    assert promised in shown(walk)
    assert listed(walk)["headline"] == promised
    says = "The source of finding 2022-090 can't be relied on."
    fresh = FailingRule(name="fresh", kind="freshness", status="unknown", says=says, facts=[], reason=quiet)
    unsure = [rule.model_copy(update={"status": "unknown", "reason": quiet}) for rule in gap.rules]
    walk.asof = at("2023-07-06 00:00")
    walk.add(GapUndecided(**{**gap.model_dump(), "rules": [*unsure, fresh]}), "differ", "service:differ")
    text = " ".join(shown(walk).split())
    assert f"NOT KNOWN {says} Whether anything is wrong can't be told." in text
    assert f"fixed: unknown ({quiet})." in text, "that its date has passed is no more than that"
    assert "WHAT IS WRONG" not in text and promised not in text
    assert listed(walk)["headline"] == says


def test_by_which_exception_a_gap_was_accepted_is_said() -> None:
    walk = opened()
    by = Acceptance(name="archive-closes", version="613d13d7c8fa00", rules=["fixed"], until="2023-07-16T04:00:00Z")
    walk.closes("accepted", Accepted(by=[by]))
    text = " ".join(shown(walk).split())
    assert "Accepted fixed: by archive-closes (version 613d13d7c8fa) until 16 July 2023" in text


def test_what_is_met_says_since_when_and_when_it_closes_and_how_often_that_did_not_last() -> None:
    walk = opened()
    walk.asof = at("2023-07-03 12:00")
    walk.meet_gap(at("2023-07-03 14:00"))
    assert "Flapping" not in shown(walk)
    walk.asof = at("2023-07-03 13:00")
    walk.open_gap()
    walk.meet_gap(at("2023-07-03 16:00"), at("2023-07-03 14:00"))
    text = " ".join(shown(walk).split())
    assert "Met since 3 July 2023, 10:00 EDT; it closes on 3 July 2023, 12:00 EDT if that lasts" in text
    assert "Flapping It has been met and has failed again once, first on 3 July 2023, 09:00 EDT." in text
    assert "settling" in text and "Nothing of it fails at present." in text
    row = listed(walk)
    assert (row["stage"], row["met_since"], row["closes"], row["waits_for"]) == (
        "settling",
        "2023-07-03T14:00:00Z",
        "2023-07-03T16:00:00Z",
        [],
    )
    told = str(lists._waits(row))
    assert told == "closes Mon 3 July 2023, 12:00 EDT if it stays met; met since Mon 3 July 2023, 10:00 EDT"
    steady = Steady(since="2023-07-03T14:00:00Z", until="2023-07-03T16:00:00Z")
    walk.asof = at("2023-07-03 16:00")
    walk.closes("met", steady=steady)
    text = " ".join(shown(walk).split())
    assert "Closed 3 July 2023, 12:00 EDT: met, without a break since 3 July 2023, 10:00 EDT" in text
    assert "if that lasts" not in text and listed(walk)["closes"] is None


def test_a_forged_confirmation_is_not_shown_as_one() -> None:
    walk = confirmed()
    assert "Confirmed by J. Moreau" in " ".join(shown(walk).split())
    old = next(event.signature for event in walk.ledger if event.type == DeclarationActivated.TYPE)
    text = " ".join(shown(forged(walk, GapConfirmed.TYPE, signature=old)).split())
    assert "DOES NOT HOLD The ledger says: Confirmed by J. Moreau" in text
    assert "the signature is not j.moreau's over this decision" in text and "trueup ledger fsck" in text


def test_a_confirmation_of_what_failed_before_says_so() -> None:
    walk = opened()
    decision, signature = walk.decide("confirm", "j.moreau", "head-of-compliance", "0" * 64)
    gap = walk.case.gap
    assert gap is not None
    data = GapConfirmed(case=walk.id, gap_event=gap.event.id, decision=decision)
    walk.add(data, "approver", "person:j.moreau", signature=signature)
    text = " ".join(shown(walk).split())
    assert "(what fails is no longer what was confirmed)" in text and "head-of-compliance to confirm" in text


def test_a_forged_approval_is_not_counted() -> None:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    assert "1 of 2 approvals" in shown(walk, "r.osei")
    text = " ".join(shown(forged(walk, ApprovalGiven.TYPE, signature="l.hansen:AAAA"), "r.osei").split())
    assert "0 of 2 approvals" in text and "DOES NOT HOLD The ledger says: Approved by L. Hansen" in text


def test_a_decision_of_somebody_who_has_left_can_not_be_checked_and_says_so() -> None:
    walk = confirmed()
    stayed = Directory.of(walk.realm, [one for name, one in walk.directory.people.items() if name != "j.moreau"])
    text = " ".join(shown(walk, directory=stayed).split())
    assert "Confirmed by j.moreau" in text and "is not in the directory, so the signature can't be checked" in text


def test_a_decision_for_something_else_does_not_hold() -> None:
    walk = confirmed()
    said = walk.case.confirmation
    assert said is not None
    assert holding(said, walk.case, walk.directory) == (True, "")
    holds, doubt = holding(said, Case("another/case/1"), walk.directory)
    assert holds is False and "signed it for" in doubt
    disputes = replace(said, event=replace(said.event, type=GapDisputed.TYPE))
    assert holding(disputes, walk.case, walk.directory) == (False, "j.moreau signed to confirm, not to dispute")


class Approver:
    """Stands in for the signed-in client: it knows these lines."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = lines

    def cases(self, **filters: Any) -> Iterator[dict[str, Any]]:
        return (one for one in self._lines if filters.get("stage") in (None, one["stage"]))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Three gaps of one desired state, shown on 100 columns."""
    first = listed(opened())
    found = [
        {**first, "key": key, "case": f"money-findings-closed/{key}/1"}
        for key in ("2022-090", "2022-091", "2022-092")
    ]

    @contextmanager
    def acting(_person: str | None, as_json: bool) -> Iterator[Approver]:
        with screen.answering(as_json):
            yield Approver(found)

    monkeypatch.setattr(lists, "acting", acting)
    monkeypatch.setattr(screen, "console", lambda: Console(highlight=False, width=100))
    return found


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    return capsys.readouterr().out


def test_a_gap_is_one_line_that_names_the_entity(
    lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(capsys, "gaps").splitlines()
    assert len(shown) == len(lines) + 2
    assert shown[1].startswith("2022-090  HIGH") and TITLE[:20] in shown[1]
    assert max(map(len, shown)) <= 100
    assert "money-findings-closed" not in "".join(shown), "one desired state: its name says nothing"
    full = run(capsys, "gaps", "--full")
    assert "Management promised" in full and len(full.splitlines()) > len(shown)


def test_where_a_key_would_not_do_the_whole_id_is_listed(
    lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    lines[2] |= {"desired_state": "others-closed", "case": "others-closed/2022-092/1"}
    shown = run(capsys, "gaps")
    assert "money-findings-closed/2022-090/1 " in shown and "others-closed/2022-092/1 " in shown
    lines[2] |= {"desired_state": "money-findings-closed", "key": "2022-090"}
    assert "others-closed/2022-092/1 " in run(capsys, "cases")


def test_lists_say_where_nobody_can_decide(lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Stuck" not in run(capsys, "gaps")
    lines[0]["unheld"] = ["head-of-compliance"]
    for command in ("gaps", "cases"):
        shown = run(capsys, command)
        assert "NOBODY (head-of-comp" in shown
        assert "Stuck: nobody in the directory holds head-of-compliance. " in shown
        assert "  trueup people add ID --name NAME --role head-of-compliance\n" in shown


@pytest.mark.usefixtures("lines")
def test_a_stage_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(run(capsys, "cases", "--stage", "to-confrim", "--json", code=1))
    assert (answer["error"], answer["what_to_do"]) == ("stage_unknown", "Did you mean to-confirm?")
    assert "to-approve" in json.loads(run(capsys, "cases", "--stage", "foo", "--json", code=1))["what_to_do"]
    assert "to-confirm" in run(capsys, "cases", "--stage", "to-confirm")


def test_every_stage_has_its_words() -> None:
    assert set(pages._STAGES) == set(STAGES)


def test_days_and_lists_are_written_as_people_do() -> None:
    assert plain("2023-06-30") == "30 June 2023"
    assert plain(["2023-06-30", "x"]) == "30 June 2023, x"
    assert (plain("2023-99-30"), plain("2023-06-301"), plain(3)) == ("2023-99-30", "2023-06-301", "3")


def test_who_is_not_signed_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(tmp_path))
    with pytest.raises(Exception, match="nobody is signed in here"):
        sessions.connect("a.lindqvist")
    session = Session("http://approver", "demo", "j.moreau", "J. Moreau", (), "t", "")
    sessions.save(session, tmp_path / "key")
    assert isinstance(sessions.connect(), Client)
    with pytest.raises(Exception, match=r"a\.lindqvist is not signed in here") as caught:
        sessions.connect("a.lindqvist")
    assert "trueup login --person a.lindqvist" in str(vars(caught.value))


def test_what_a_case_is_about_is_said_however_old_it_is() -> None:
    walk = opened()
    state = walk.catalogue.compiled("money-findings-closed")
    origin = Origin("entity/finding/2022-090", "e-1", fresh_until=at("2023-08-01 00:00"))
    view = EntityView("finding", "2022-090", {name: "x" for name in state.attributes}, origin)
    later = at("2023-10-01 00:00")
    assert entity_facts(state, view, later)["title"].unknown, "nothing rests on what is stale"
    assert last_told(state, view, later)["title"].value == "x"
    assert set(last_told(state, view, later)) == set(state.attributes)
