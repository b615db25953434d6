"""`trueup gaps`, `cases`, `plans`, `tasks` and `proposals`: what there is, and for whom it waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.people.screen import SEVERITY_STYLE, As, Json, acting, cell, print_json, say, table
from cli.people.words import due, moment

GATE_1 = ("to-confirm", "undecided", "disputed")
OVER = ("closed", "attested")
Line = dict[str, Any]

Mine = Annotated[bool, typer.Option("--mine", help="Only what waits for you.")]
State = Annotated[str | None, typer.Option("--state", help="Only cases of this desired state.")]
Limit = Annotated[int, typer.Option("--limit", help="Show at most so many lines.", min=1)]


def gaps(
    mine: Mine = False, state: State = None, limit: Limit = 50, as_person: As = None, as_json: Json = False
) -> None:
    """Gaps that nobody has confirmed yet: what is wrong, and who can say whether it really is."""
    with acting(as_person, as_json) as client:
        found = [line for line in client.cases(mine=mine, desired_state=state) if line["stage"] in GATE_1]
    if as_json:
        print_json(found)
        return
    shown = table("case", "", "rules", "what is wrong", "waits for")
    for line in _sorted(found)[:limit]:
        unknown = " (undecided)" if line["undecided"] else ""
        shown.add_row(
            cell(line["case"]),
            _severity(line),
            cell(", ".join(line["rules"]) + unknown),
            cell(line["headline"]),
            _waits(line),
        )
    undecided = sum(line["undecided"] for line in found)
    _say(shown, found, limit, f"{len(found)} to confirm, {undecided} of them undecided.", "trueup show CASE")


def cases(
    mine: Mine = False,
    stage: Annotated[str | None, typer.Option("--stage", help="Only cases at this stage.")] = None,
    state: State = None,
    everything: Annotated[bool, typer.Option("--all", help="Also closed cases.")] = False,
    limit: Limit = 50,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """All cases: where each stands and for whom it waits."""
    with acting(as_person, as_json) as client:
        found = list(client.cases(mine=mine, stage=stage, desired_state=state))
    if not everything and stage is None:
        found = [line for line in found if line["stage"] not in OVER]
    if as_json:
        print_json(found)
        return
    shown = table("case", "", "stage", "what is wrong", "waits for")
    for line in _sorted(found)[:limit]:
        shown.add_row(cell(line["case"]), _severity(line), cell(line["stage"]), cell(line["headline"]), _waits(line))
    _say(shown, found, limit, f"{len(found)} cases.", "trueup show CASE")


def plans(
    mine: Mine = False, state: State = None, limit: Limit = 50, as_person: As = None, as_json: Json = False
) -> None:
    """Cases with a plan: its risk, where it stands, who must still decide, and by when."""
    with acting(as_person, as_json) as client:
        zone = client.realm()["timezone"]
        found = list(client.cases(mine=mine, desired_state=state, planned=True))
    if as_json:
        print_json(found)
        return
    shown = table("case", "risk", "stage", "waits for", "until")
    for line in _sorted(found)[:limit]:
        until = due(line["expires"], zone) if line["expires"] else ""
        shown.add_row(cell(line["case"]), cell(line["risk"]), cell(line["stage"]), _waits(line), cell(until))
    _say(shown, found, limit, f"{len(found)} plans.", "trueup show CASE")


def tasks(mine: Mine = False, as_person: As = None, as_json: Json = False) -> None:
    """Work by hand that was released and waits for somebody to do it and say how it went."""
    with acting(as_person, as_json) as client:
        zone = client.realm()["timezone"]
        found = client.tasks(mine=mine)
    if as_json:
        print_json(found)
        return
    lines: list[Text] = []
    for task in found:
        yours = " · yours" if task["yours"] else ""
        lines.append(Text.assemble((f"{task['case']} step {task['step']}", "bold"), f"  for {task['role']}{yours}"))
        lines.append(cell(f"  {task['action']}: {task['does']} Since {moment(task['since'], zone)}."))
        lines += [cell(f"    {name}: {value}") for name, value in task["parameters"].items()]
    end = "Next: trueup outcome CASE --step N --done (or --not-done)" if found else ""
    say([*lines, f"{len(found)} tasks. {end}".strip()])


def proposals(as_person: As = None, as_json: Json = False) -> None:
    """Declarations that were proposed: by whom, and whether they count."""
    with acting(as_person, as_json) as client:
        zone = client.realm()["timezone"]
        found = client.proposals()
    if as_json:
        print_json(found)
        return
    shown = table("proposal", "status", "file", "author", "documents", "since")
    for item in found:
        since = item["activated"] or item["proposed"]
        by = f" by {item['activated_by']}" if item["activated_by"] else ""
        shown.add_row(
            cell(item["id"]),
            cell(item["status"] + by),
            cell(item["file"]),
            cell(item["author"]),
            cell(documents_changed(item)),
            cell(moment(since, zone)),
        )
    waiting = sum(item["status"] == "proposed" for item in found)
    say([shown, f"{len(found)} proposals, {waiting} wait for another person: trueup activate ID"])


def documents_changed(proposal: Line) -> str:
    """`9 documents: 1 new, 8 unchanged`."""
    changes = [document["change"] for document in proposal["documents"]]
    counts = [f"{changes.count(kind)} {kind}" for kind in ("new", "changed", "unchanged") if kind in changes]
    return f"{len(changes)}: {', '.join(counts)}"


def _sorted(found: Sequence[Line]) -> list[Line]:
    """What waits for the person first, then the worst."""
    order = list(SEVERITY_STYLE)
    return sorted(
        found,
        key=lambda line: (
            not line["yours"],
            order.index(line["severity"]) if line["severity"] in order else 9,
            line["case"],
        ),
    )


def _severity(line: Line) -> Text:
    return cell(line["severity"].upper(), SEVERITY_STYLE.get(line["severity"], ""))


def _waits(line: Line) -> Text:
    if line["yours"]:
        return Text.assemble(("YOU: ", "bold cyan"), clean_join(line["yours"]))
    return cell("; ".join(line["waits_for"]))


def clean_join(kinds: Sequence[str]) -> str:
    return ", ".join(kinds)


def _say(shown: Any, found: Sequence[Line], limit: int, figures: str, following: str) -> None:
    more = f" {len(found) - limit} more: --limit {len(found)}." if len(found) > limit else ""
    following = f" Next: {following}" if found else ""
    say([shown, f"{figures}{more}{following}"] if found else [figures])
