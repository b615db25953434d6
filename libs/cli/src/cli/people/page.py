"""One case as a page to decide on: what is wrong, what is proposed, what happens next, what you would sign."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.events.differ import Measured
from common.objectives.evidence import sentences
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.people.screen import SEVERITY_STYLE, cell, clean
from cli.people.words import Citations, due, fingerprint, moment, name, people, plain, value
from cli.preview.wording import clean as on_one_line

Page = Mapping[str, Any]
LABEL_WIDTH = 18
_LOOK_CLOSER = "Tell the realm's operator: trueup ledger fsck --directory FILE"


def case_page(page: Page, me: str, my_name: str) -> list[RenderableType]:
    """The page of a case, for the person `me`; instants in the declaration's time zone."""
    view = _View(page, me)
    parts: list[RenderableType] = [*_head(view, my_name), "", *_wrong(view)]
    if page["plan"]:
        parts += ["", *_proposed(view)]
    elif page["withheld"]:
        parts += ["", _labelled("NO PLAN", cell(page["withheld"]["data"]["reason"]))]
    parts += ["", *_next(view), "", *_yours(view)]
    if page["simulated"]:
        parts += ["", cell("[*] simulated: a person of a demo", "dim")]
    if view.cited.index:
        marks = "  ".join(f"{mark} {event}" for mark, event in view.cited.index)
        parts += ["", cell(f"Records: {marks}", "dim")]
    return parts


class _View:
    """The page, with what all of its parts need."""

    def __init__(self, page: Page, me: str) -> None:
        self.page = page
        self.me = me
        self.zone: str = page["timezone"]
        self.names = {
            who: f"{shown} [*]" if who in page["simulated"] else shown for who, shown in page["names"].items()
        }
        self.cited = Citations()

    def data(self, what: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.page[what] or {}).get("data", {})
        return found

    def at(self, text: str | None) -> str:
        return moment(text, self.zone)


def _head(view: _View, my_name: str) -> Iterator[RenderableType]:
    page, gap, plan = view.page, view.data("gap"), view.data("plan")
    clock = ", a replay clock" if page["replay"] else ""
    yield cell(f"Trueup · Approvals · case {page['case']}", "bold")
    yield cell(f"{my_name} · {view.at(page['now'])} ({view.zone}{clock})", "dim")
    if page["title"]:
        yield cell(on_one_line(page["title"]), "bold")
    if page.get("named"):
        yield cell(f"{gap['entity_type']} {on_one_line(page['named'])}", "bold")
    severity = gap.get("severity", "")
    status = Text.assemble((severity.upper(), SEVERITY_STYLE.get(severity, "")), f" · {page['stage']}")
    if plan:
        status.append(f" · plan {plan['number']}, {plan['risk']} risk")
    if (ticket := view.data("ticket")) and page["stage"] == "to-approve":
        needed = sum(ticket["chain"]["approve"].values())
        given = sum(_holds(said) for said in page["approvals"])
        status.append(f" · {given} of {needed} approvals · until {due(ticket['expires'], view.zone)}")
    if mine := _waiting_for(view):
        status.append(f" · YOURS IS NEEDED: {mine}", "bold cyan")
    yield status


def _waiting_for(view: _View) -> str:
    waits = {(need["kind"], need["step"]) for need in view.page["needs"]}
    mine = [action["kind"] for action in view.page["actions"]
            if (action["kind"], action["decision"].get("step")) in waits]  # fmt: skip
    return ", ".join(dict.fromkeys(mine))


def _wrong(view: _View) -> Iterator[RenderableType]:
    page, gap = view.page, view.data("gap")
    rules = gap.get("rules", [])
    doubted = bool(rules) and all(rule["status"] == "unknown" for rule in rules)
    if doubted:
        yield _labelled("NOT KNOWN", cell(f"{_in_doubt(rules)} Whether anything is wrong can't be told.", "bold"))
    else:
        yield _labelled("WHAT IS WRONG", cell(rules[0]["says"] if rules else "Nothing is recorded.", "bold"))
    for number, rule in enumerate(rules):
        says = f" {rule['says']}" if number and not doubted else ""
        yield _labelled("  The rule", cell(f"{rule['name']}: {_how(view, rule)}.{says}"))
        facts = " · ".join(f"{fact['name']}: {value(fact)}" for fact in rule["facts"])
        marks = view.cited.mark([fact.get("event_id") for fact in rule["facts"]])
        yield _labelled("  The facts", cell(f"{facts} {marks}".strip()))
        for told in sentences(Measured.model_validate(rule["measured"])) if rule.get("measured") else ():
            yield _labelled("  The measure", cell(told))
    if about := _about(view):
        yield _labelled(f"  The {gap['entity_type']}", cell(about))
    for what, word in (("confirmation", "Confirmed by"), ("dispute", "Disputed by")):
        if page[what]:
            yield _decided(view, word, page[what])
    if flips := page.get("flips"):
        times = "once" if flips == 1 else f"{flips} times"
        since = f", first on {view.at(page['flips_since'])}" if page.get("flips_since") else ""
        yield _labelled("  Flapping", cell(f"It has been met and has failed again {times}{since}."))
    if page.get("met"):
        met = view.data("met")
        told = f"since {view.at(met['since'])}; it closes on {view.at(met['until'])} if that lasts"
        yield _labelled("  Met", cell(told))
    if page.get("suspension"):
        yield _labelled("  Suspended", cell(f"{view.data('suspension')['says']}."))
    if closed := page["gap_closed"]:
        reason = view.data("gap_closed")["reason"].replace("_", " ")
        steady = view.data("gap_closed").get("steady")
        lasted = f", without a break since {view.at(steady['since'])}" if steady else ""
        yield _labelled("  Closed", cell(f"{view.at(closed['asof'])}: {reason}{lasted}"))
        accepted = view.data("gap_closed").get("accepted") or {"by": []}
        for one in accepted["by"]:
            rules = ", ".join(one["rules"])
            told = f"{rules}: by {one['name']} (version {one['version'][:12]}) until {view.at(one['until'])}"
            yield _labelled("  Accepted", cell(told))


def _in_doubt(rules: Sequence[Mapping[str, Any]]) -> str:
    """Of rules that are all Unknown: that the record is too old or its source in doubt, or what is not known."""
    told = [rule["says"] for kind in ("freshness", "objective") for rule in rules if rule["kind"] == kind]
    return told[0] if told else f"{', '.join(rule['name'] for rule in rules)} can't be decided."


def _about(view: _View) -> str:
    """What else is known of the entity itself: nothing that the page says already, each value once."""
    rules = view.data("gap").get("rules", [])
    said = {fact["name"] for rule in rules for fact in rule["facts"]}
    values = {on_one_line(view.page["title"]), view.data("gap").get("key", "")}
    told = []
    for fact in view.page["facts"]:
        shown = on_one_line(value(fact))
        if "." in fact["name"] or fact["name"] in said or fact.get("unknown") is not None or shown in (*values, ""):
            continue
        values.add(shown)
        told.append(f"{fact['name']}: {shown}")
    return " · ".join(told)


def _how(view: _View, rule: Mapping[str, Any]) -> str:
    known = rule["status"] != "unknown" or rule["kind"] == "freshness"  # a date that has passed tells nothing alone
    since = f" since {view.at(rule['due'])}" if rule.get("due") and known else ""
    return f"{rule['status']}{since}" + (f" ({rule['reason']})" if rule.get("reason") else "")


def _holds(said: Mapping[str, Any]) -> bool:
    return said["holds"] is not False


def _decided(view: _View, word: str, said: Mapping[str, Any]) -> RenderableType:
    """What a person decided; or that the ledger says so, and why it does not hold."""
    if _holds(said):
        return _labelled(f"  {word}", cell(_by(view, said) + (f" ({said['doubt']})" if said["doubt"] else "")))
    claimed = f"The ledger says: {word} {_by(view, said)}. But {said['doubt']}. Nothing is carried out on it. "
    return _labelled("  DOES NOT HOLD", cell(f"{claimed}{_LOOK_CLOSER}", "bold red"))


def _by(view: _View, said: Mapping[str, Any]) -> str:
    decision = said["data"]["decision"]
    comment = f': "{decision["comment"]}"' if decision.get("comment") else ""
    return f"{name(decision['person'], view.names)}, {decision['role']}, {view.at(said['asof'])}{comment}"


def _proposed(view: _View) -> Iterator[RenderableType]:
    plan = view.data("plan")
    drafted = cell(f"drafted by {plan['planner']}: it drafts, people decide", "dim")
    yield _labelled("WHAT IS PROPOSED", drafted)
    for step in plan["steps"]:
        terms = f"{step['risk']} risk · {step['level']} · {step['system']} · undo: {step['undo'] or 'none'}"
        yield _labelled(
            f"  Step {step['number']}", cell(step["action"], "bold").append(f"  {clean(terms)}", "not bold")
        )
        yield _labelled("", cell(step["does"]))
        for parameter, given in step["parameters"].items():
            yield Padding(cell(f"{parameter}: {plain(given)}", "green"), (0, 0, 0, LABEL_WIDTH + 3))
    for number, sentence in enumerate(plan["reasoning"]):
        marks = view.cited.mark(sentence["cites"])
        yield _labelled("  Its reason" if number == 0 else "", cell(f"{sentence['text']} {marks}".strip()))
    for number, other in enumerate(plan["alternatives"]):
        yield _labelled("  Set aside" if number == 0 else "", cell(f"{other['name']}: {other['reason']}"))
    if unknown := [f"{fact['name']}: {fact['unknown']}" for fact in plan["facts"] if fact.get("unknown")]:
        yield _labelled("  Not known", cell("; ".join(unknown)))
    judged = [f"{item['says']}{_by_when(view, item)}" for item in plan["predictions"]]
    yield _labelled("  It is judged on", cell(" · ".join(judged) or "nothing"))


def _by_when(view: _View, prediction: Mapping[str, Any]) -> str:
    return f" by {view.at(prediction['by'])}" if prediction.get("by") else ""


def _next(view: _View) -> Iterator[RenderableType]:
    page, ticket = view.page, view.data("ticket")
    yield _labelled("WHAT HAPPENS NEXT", cell(_stage_words(page)))
    for approval in page["approvals"]:
        yield _decided(view, "Approved by", approval)
    for need in page["needs"]:
        step = f" step {need['step']}" if need["step"] is not None else ""
        yield _labelled("  Waits for", cell(f"{need['role']} to {need['kind']}{step}: {_who(view, need)}"))
    for what, word in (("refusal", "Refused by"), ("returned", "Sent back by")):
        if page[what]:
            yield _decided(view, word, page[what])
    for said in page["releases"]:
        yield _decided(view, f"Step {said['data']['step']} released", said)
    for said in page["outcomes"]:
        result = said["data"]["decision"].get("result", "")
        yield _decided(view, f"Step {said['data']['step']} {result.replace('_', ' ')}", said)
    for said in page["voided"]:
        yield _labelled("  Voided", cell(f"{view.at(said['asof'])}: {'; '.join(said['data']['changed'])}"))
    yield from _run(view)
    if ticket:
        yield from _ticket(ticket)


def _who(view: _View, need: Mapping[str, Any]) -> str:
    if not need["eligible"]:
        return f"nobody in the directory holds this role: {enter(need['role'])}"
    left = [person for person in need["eligible"] if person not in need["given"]]
    return people(left, view.names) if left else "everybody who holds the role has, and one more is needed"


def enter(role: str) -> str:
    """The command with which a realm's operator enters somebody who holds this role."""
    return f"trueup people add ID --name NAME --role {shlex.quote(role)}"


def _run(view: _View) -> Iterator[RenderableType]:
    """What was carried out and checked, one line an event."""
    for said in (*view.page["execution"], *view.page["verification"]):
        data = said["data"]
        what = said["type"].removeprefix("trueup.").removesuffix(".v1").replace(".", " ")
        step = f" step {data['step']}" if "step" in data else ""
        more = data.get("reason") or data.get("action") or ""
        yield _labelled("", cell(f"{view.at(said['asof'])}  {what}{step} {more}".rstrip()))


def _ticket(ticket: Mapping[str, Any]) -> Iterator[RenderableType]:
    risk = ticket["risk_assessment"]
    yield _labelled(
        "  Change ticket", cell(f"{ticket['ticket']}, {risk['change_class']} change, {risk['risk']} risk")
    )
    yield _labelled("    touches", cell("; ".join(risk["touches"])))
    yield _labelled("    affects", cell(risk["affects"]))
    yield _labelled("    if it fails", cell(risk["if_it_fails"]))
    yield _labelled("    undone by", cell("; ".join(risk["undo"])))
    yield _labelled("    set by", cell(risk["set_by"]))


def _yours(view: _View) -> Iterator[RenderableType]:
    page, ticket = view.page, view.data("ticket")
    kinds = {action["kind"] for action in page["actions"]}
    if ticket and kinds & {"approve", "release"}:
        digits = fingerprint(ticket["digest"])
        verb = "approve" if "approve" in kinds else "release a part of"
        yield Text.assemble(f"You {verb} exactly: ", (digits, "bold"))
        yield cell("If the plan, the rule, the facts, the policy or the approvers change, your approval is void; "
                   "you are told why.", "dim")  # fmt: skip
    if not page["actions"]:
        yield cell("Nothing here waits for you.", "dim")
        return
    for command in _commands(page["case"], page["actions"]):
        yield cell(f"  {command}", "cyan")


def _commands(case: str, actions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for action in actions:
        step = action["decision"].get("step")
        more = f" --step {step}" if step is not None else ""
        more += " --done" if action["kind"] == "outcome" else ""
        more += ' -m "why"' if action["kind"] in ("dispute", "refuse", "return", "resume") else ""
        yield f"trueup {action['kind']} {case}{more}"


_STAGES = {
    "undecided": "Whether there is a gap can't be told: something is not known. Only evidence may be gathered.",
    "suspended": "What actions mend is undone again and again. Nothing is done until somebody resumes it.",
    "to-confirm": "Somebody who knows the matter confirms the gap, or disputes it.",
    "to-plan": "The gap is confirmed. A plan is being drafted.",
    "withheld": "The gap is confirmed. No plan is drafted: people decide what to do.",
    "to-approve": "The steps run once everybody below has approved.",
    "authorised": "Approved. The executor checks everything again, then begins.",
    "executing": "It is being carried out.",
    "accepted": "People have accepted the gap, until a day. Nothing is done; on that day it comes back by itself.",
    "ignored": "The declaration says that this is not to be acted on.",
    "settling": "Nothing of it fails at present. The gap closes when that has lasted; if it fails again, it goes on.",
    "to-verify": "It has been carried out, or the gap has closed. The auditor waits for proof.",
    "soaking": "The proof has been seen. It has to hold for the declared time.",
    "disputed": "Somebody who knows says that there is no gap. Nothing is planned.",
    "refused": "The plan was refused. Somebody sends it back, or nothing happens.",
    "expired": "The time to decide ran out. A timeout never approves: somebody sends the plan back.",
    "halted": "Execution has halted. A person must look.",
    "failed-verification": "It was carried out, and the rule failed again.",
    "inconclusive": "It was carried out, and no proof came in time.",
    "closed": "The case is closed.",
    "attested": "The case is closed and attested.",
}


def _stage_words(page: Page) -> str:
    stage: str = page["stage"]
    return _STAGES.get(stage, stage)


def _labelled(label: str, text: RenderableType) -> RenderableType:
    """A label in its column and a text beside it that wraps within its own."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=LABEL_WIDTH, no_wrap=False)
    grid.add_column()
    grid.add_row(cell(label, "bold" if label.isupper() else "dim"), text)
    return grid
