"""`trueup report`: where every objective stands, from its baseline to its target, and what moved."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Annotated, Any

import typer
from common.clock import instant
from common.declarations.values import MONTHS
from common.errors import Refused
from rich.text import Text

from cli.audit import service
from cli.audit.commands import Address
from cli.people.screen import As, Json, answering, print_json, say
from cli.preview.wording import FAINT, GOOD, STRONG, WARN, clean, counted
from cli.stack.state import find_url

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_STYLES = {"met": GOOD, "on track": GOOD, "behind": WARN, "missed": WARN, "undecided": WARN}
Objective = dict[str, Any]


def report(
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="What moved in this month; all so far without it."),
    ] = None,
    url: Address = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Where every objective stands: its baseline, the beginning of the month, now, the target, and what moved.

    Exit code 0: reported. 1: it could not be asked. 2: refused, or a month that is none.
    """
    with answering(as_json):
        begin, end = span(month)
        with service.Auditor(url or find_url("auditor"), service.token(as_person)) as auditor:
            now = auditor.objectives(end)
            before = {key_of(one): one for one in auditor.objectives(begin)} if begin else {}
    lines = [told(one, before_of(one, before)) for one in standing(now)]
    if as_json:
        print_json({"month": month, "objectives": lines})
        return
    if not lines:
        say([Text("No objective has been measured" + (f" by the end of {month}." if month else " yet."))])
        return
    say([text for line in lines for text in _block(line)])
    met = sum(line["standing"] == "met" for line in lines)
    say([Text(f"{counted(len(lines), 'objective')}, {met} met.")])


def _block(line: dict[str, Any]) -> list[Text]:
    """One objective on a few lines: where it stands, what is wanted, what it began with, what moved."""
    head = Text.assemble(
        (f"{clean(line['desired_state'])}/{clean(line['objective'])}", STRONG),
        "  ",
        (line["standing"], _STYLES[line["standing"]]),
    )
    rows = [("now", line["now"]), ("wanted", line["wanted"]), ("baseline", line["baseline"] or "none yet")]
    rows.append(("moved", line["moved"]))
    return [head, *[Text.assemble((f"  {name:<10}", FAINT), clean(told)) for name, told in rows], Text()]


def span(month: str | None) -> tuple[str | None, str | None]:
    """The instants at which a month begins and ends (UTC). Raises `Refused` (`bad_month`)."""
    if month is None:
        return None, None
    found = _MONTH.fullmatch(month)
    if found is None:
        raise Refused("bad_month", f"{month!r} is not a month.", "Write: --month 2023-07")
    year, number = int(found[1]), int(found[2])
    begin = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return instant(begin), instant(end)


def key_of(objective: Objective) -> tuple[str, str]:
    return objective["data"]["desired_state"], objective["data"]["objective"]


def standing(objectives: list[Objective]) -> list[Objective]:
    """Those whose history does not go on under another name."""
    renamed = {(one["data"]["desired_state"], one["data"].get("formerly")) for one in objectives}
    return [one for one in objectives if key_of(one) not in renamed]


def before_of(objective: Objective, before: dict[tuple[str, str], Objective]) -> Objective | None:
    """The earlier measurement of an objective, under the name that it had then."""
    former = objective["data"].get("formerly")
    return before.get(key_of(objective)) or before.get((objective["data"]["desired_state"], former))


def told(now: Objective, before: Objective | None) -> dict[str, Any]:
    """One line of the report."""
    data = now["data"]
    baseline = data.get("baseline")
    return {
        "desired_state": data["desired_state"],
        "objective": data["objective"],
        "standing": data["standing"],
        "baseline": f"{baseline['says']} on {_day(baseline['at'])}" if baseline else None,
        "before": before["data"]["says"] if before else None,
        "now": data["says"],
        "wanted": data["wanted"],
        "measured": now["asof"],
        "event": now["id"],
        "moved": moved(data, before["data"] if before else baseline, "before" if before else "the baseline"),
    }


def moved(now: Objective, then: Objective | None, since: str) -> str:
    """In words: what changed between two measurements, the population among it."""
    if then is None:
        return "measured for the first time" if now.get("value") else "nothing to measure yet"
    parts = []
    if now.get("value") != then.get("value"):
        better = _better(now, then)
        parts.append(f"{then['says']} → {now['says']}" + (f" ({better})" if better else ""))
    if now["population"] != then["population"]:
        unknown = f" ({now['unknown']:,} unknown)" if now["unknown"] else ""
        parts.append(f"population {then['population']:,} → {now['population']:,}{unknown}")
    parts += _who(now.get("against"), then.get("against"))
    if then.get("standing") not in (None, now["standing"]):
        parts.append(f"{then['standing']} → {now['standing']}")
    return "; ".join(parts) if parts else f"the same as {since}"


MOST_NAMED = 5


def _who(now: Objective | None, then: Objective | None) -> list[str]:
    """Which entities keep the objective from its target no longer, and which do now and did not. Where there are too
    many to be named all, it is said that only the worst were compared."""
    if now is None or then is None:
        return []
    left = [key for key in then["keys"] if key not in set(now["keys"])]
    came = [key for key in now["keys"] if key not in set(then["keys"])]
    some = " among the worst" if now["others"] or then["others"] else ""
    told = [f"no longer against it{some}: {_named(left)}"] if left else []
    return [*told, f"newly against it{some}: {_named(came)}"] if came else told


def _named(keys: list[str]) -> str:
    more = len(keys) - MOST_NAMED
    return ", ".join(clean(key) for key in keys[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _better(now: Objective, then: Objective) -> str:
    if not now.get("value") or not then.get("value"):
        return ""
    less = Fraction(now["value"]) < Fraction(then["value"])
    return "better" if less == now["wanted"].startswith("at most") else "worse"


def _day(moment: str) -> str:
    day = datetime.fromisoformat(moment)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
