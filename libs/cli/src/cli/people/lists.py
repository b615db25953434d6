"""`trueup gaps`, `cases`, `plans`, `tasks` and `proposals`: what there is, and for whom it waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from common.declarations.problems import did_you_mean
from common.errors import Refused
from common.stages import STAGES
from rich.table import Table
from rich.text import Text

from cli.people.page import enter
from cli.people.screen import SEVERITY_STYLE, As, Json, acting, cell, one_line_each, print_json, say, table
from cli.people.words import due, moment, plain
from cli.preview.wording import clean, counted

GATE_1 = ("to-confirm", "undecided", "disputed")
OVER = ("closed", "attested")
Line = dict[str, Any]

Mine = Annotated[bool, typer.Option("--mine", help="Only what waits for you.")]
State = Annotated[str | None, typer.Option("--state", help="Only cases of this desired state.")]
Full = Annotated[bool, typer.Option("--full", help="Everything about each, in as many lines as that takes.")]
Limit = Annotated[int, typer.Option("--limit", help="Show at most so many lines.", min=1)]


def gaps(
    mine: Mine = False,
    state: State = None,
    full: Full = False,
    limit: Limit = 50,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Gaps that nobody has confirmed yet: what is wrong, and who can say whether it really is."""
    with acting(as_person, as_json) as client:
        found = [line for line in client.cases(mine=mine, desired_state=state) if line["stage"] in GATE_1]
    if as_json:
        print_json(found)
        return
    ids = _ids(found)
    shown = table("case", "", "rules", "about", "waits", first=max(map(len, ids.values()), default=4))
    for line in _sorted(found)[:limit]:
        rules = cell("undecided" if line["undecided"] and not full else ", ".join(line["rules"]))
        shown.add_row(cell(ids[line["case"]]), _severity(line), rules, _about(line, full), _waits(line))
    undecided = sum(line["undecided"] for line in found)
    figures = f"{counted(len(found), 'gap')} to confirm, {undecided} of them undecided."
    _say(shown if full else _short(shown), found, limit, figures, "trueup show CASE")


def cases(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    mine: Mine = False,
    stage: Annotated[str | None, typer.Option("--stage", help="Only cases at this stage.")] = None,
    state: State = None,
    everything: Annotated[bool, typer.Option("--all", help="Also closed cases.")] = False,
    full: Full = False,
    limit: Limit = 50,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """All cases: where each stands and for whom it waits."""
    with acting(as_person, as_json) as client:
        _check_stage(stage)
        found = list(client.cases(mine=mine, stage=stage, desired_state=state))
    if not everything and stage is None:
        found = [line for line in found if line["stage"] not in OVER]
    if as_json:
        print_json(found)
        return
    ids = _ids(found)
    shown = table("case", "", "stage", "about", "waits", first=max(map(len, ids.values()), default=4))
    for line in _sorted(found)[:limit]:
        stands = cell(line["stage"])
        shown.add_row(cell(ids[line["case"]]), _severity(line), stands, _about(line, full), _waits(line))
    figures = f"{counted(len(found), 'case')}."
    _say(shown if full else _short(shown), found, limit, figures, "trueup show CASE")


def plans(
    mine: Mine = False, state: State = None, limit: Limit = 50, as_person: As = None, as_json: Json = False
) -> None:
    """Cases with a plan: its risk, where it stands, who must still decide, and by when."""
    with acting(as_person, as_json) as client:
        found = list(client.cases(mine=mine, desired_state=state, planned=True))
    if as_json:
        print_json(found)
        return
    ids = _ids(found)
    shown = table("case", "risk", "stage", "waits for", "until", first=max(map(len, ids.values()), default=4))
    for line in _sorted(found)[:limit]:
        until = due(line["expires"], line["timezone"]) if line["expires"] else ""
        stands = cell(line["stage"])
        shown.add_row(cell(ids[line["case"]]), cell(line["risk"]), stands, _waits(line), cell(until))
    _say(shown, found, limit, f"{counted(len(found), 'plan')}.", "trueup show CASE")


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
        lines += [cell(f"    {name}: {plain(value)}") for name, value in task["parameters"].items()]
    end = "Next: trueup outcome CASE --step N --done (or --not-done)" if found else ""
    say([*lines, f"{counted(len(found), 'task')}. {end}".strip()])


def proposals(as_person: As = None, as_json: Json = False) -> None:
    """Declarations that were proposed: by whom, and whether they count."""
    with acting(as_person, as_json) as client:
        zone = client.realm()["timezone"]
        found = client.proposals()
    if as_json:
        print_json(found)
        return
    shown = table("proposal", "status", "file", "author", "documents", "since", first=14)
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
    say([shown, f"{counted(len(found), 'proposal')}, {waiting} waiting for another person: trueup activate ID"])


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


def _ids(found: Sequence[Line]) -> dict[str, str]:
    """What one types for each case: the key of its entity, where that means one case of one desired state."""
    keys = [line["key"] for line in found]
    alone = len({line["desired_state"] for line in found}) == 1 and len(set(keys)) == len(keys)
    return {line["case"]: line["key"] if alone and line["stage"] not in OVER else line["case"] for line in found}


def _about(line: Line, full: bool) -> Text:
    """What people call the entity, and with `full` what is wrong with it."""
    parts = [clean(part) for part in (line.get("named"), line["title"], line["headline"]) if part]
    return cell("\n".join(parts if full else parts[:1]))


def _short(shown: Table) -> Table:
    return one_line_each(shown, about=3, waits=2)


def _check_stage(stage: str | None) -> None:
    if stage is not None and stage not in STAGES:
        hint = did_you_mean(stage, STAGES) or f"Stages: {', '.join(sorted(STAGES))}."
        raise Refused("stage_unknown", f"there is no stage {stage!r}", hint)


def _waits(line: Line) -> Text:
    if line["unheld"]:
        return cell(f"NOBODY ({' or '.join(line['unheld'])})", "yellow")
    if line.get("closes"):
        closes, since = (due(line[name], line["timezone"]) for name in ("closes", "met_since"))
        return cell(f"closes {closes} if it stays met; met since {since}")
    if line["yours"]:
        return Text.assemble(("YOU: ", "bold cyan"), clean_join(line["yours"]))
    return cell("; ".join(line["waits_for"]))


def clean_join(kinds: Sequence[str]) -> str:
    return ", ".join(kinds)


def _say(shown: Any, found: Sequence[Line], limit: int, figures: str, following: str) -> None:
    more = f" {len(found) - limit} more: --limit {len(found)}." if len(found) > limit else ""
    following = f" Next: {following}" if found else ""
    say([shown, f"{figures}{more}{following}"] if found else [figures])
    unheld = sorted({role for line in found for role in line["unheld"]})
    if unheld:
        say(
            [
                cell(
                    f"Stuck: nobody in the directory holds {', '.join(unheld)}. Its operator can enter people:",
                    "yellow",
                )
            ]
        )
        say([cell(f"  {enter(role)}", "cyan") for role in unheld])
