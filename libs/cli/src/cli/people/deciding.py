"""`trueup confirm`, `dispute`, `approve`, `refuse`, `return`, `release`, `outcome`: decisions, signed by you."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from common.errors import Refused

from cli.client import Client
from cli.people.screen import As, Json, acting, cell, print_json, say
from cli.people.words import fingerprint

Cases = Annotated[list[str], typer.Argument(metavar="CASE...", help="Case ids, or the keys of their entities.")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, or the key of its entity.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Recorded, and signed, with your decision.")]
Role = Annotated[str | None, typer.Option("--role", help="The role you act in, if you hold several.")]
Exactly = Annotated[
    str | None, typer.Option("--exactly", metavar="DIGITS", help="Only if the digest begins with these digits.")
]
Step = Annotated[int | None, typer.Option("--step", min=1, help="The step's number; needed when there are several.")]

_DONE = {
    "confirm": "Confirmed",
    "dispute": "Disputed",
    "approve": "Approved",
    "refuse": "Refused",
    "return": "Sent back",
    "release": "Released",
    "outcome": "Reported",
    "resume": "Resumed",
}


def confirm(
    cases: Cases, comment: Comment = "", role: Role = None, as_person: As = None, as_json: Json = False
) -> None:
    """Gate 1: you know the matter and say that the gap is real."""
    _decide("confirm", cases, as_person, as_json, comment=comment, role=role)


def dispute(cases: Cases, comment: Comment, role: Role = None, as_person: As = None, as_json: Json = False) -> None:
    """Gate 1: you know the matter and say that the gap is not real; the comment says why."""
    _decide("dispute", cases, as_person, as_json, comment=comment, role=role)


def approve(
    cases: Cases,
    comment: Comment = "",
    role: Role = None,
    exactly: Exactly = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Gate 2: exactly this plan may be carried out. Void as soon as something it relies on changes."""
    _decide("approve", cases, as_person, as_json, comment=comment, role=role, exactly=exactly)


def refuse(cases: Cases, comment: Comment, role: Role = None, as_person: As = None, as_json: Json = False) -> None:
    """Gate 2: this plan shall not be carried out; the comment says why."""
    _decide("refuse", cases, as_person, as_json, comment=comment, role=role)


def send_back(cases: Cases, comment: Comment, role: Role = None, as_person: As = None, as_json: Json = False) -> None:
    """Send a plan back (refused, expired, halted or open), so that another one is drafted."""
    _decide("return", cases, as_person, as_json, comment=comment, role=role)


def resume(cases: Cases, comment: Comment, role: Role = None, as_person: As = None, as_json: Json = False) -> None:
    """Let a suspended case go on: what undid the fixes was dealt with; the comment says how."""
    _decide("resume", cases, as_person, as_json, comment=comment, role=role)


def release(
    case: Case,
    step: Step = None,
    comment: Comment = "",
    role: Role = None,
    exactly: Exactly = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """At Level 2: this step of an approved plan may run now."""
    _decide("release", [case], as_person, as_json, comment=comment, role=role, step=step, exactly=exactly)


def outcome(
    case: Case,
    done: Annotated[bool, typer.Option("--done/--not-done", help="Whether it was done.")],
    step: Step = None,
    comment: Comment = "",
    role: Role = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Say how work by hand went."""
    result = "done" if done else "not_done"
    _decide("outcome", [case], as_person, as_json, comment=comment, role=role, step=step, result=result)


def case_id(client: Client, text: str) -> str:
    """The case that `text` means: its id, or the key of an entity with one case that is not over.

    Raises `Refused` (`case_unknown`, `which_case`).
    """
    if text.count("/") >= 2:
        return text
    found = [line["case"] for line in client.cases(key=text) if line["stage"] not in ("closed", "attested")]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise Refused("which_case", f"{text} has several open cases: {', '.join(found)}", "Give one of these ids.")
    raise Refused("case_unknown", f"there is no open case of {text}", "List them: trueup cases")


def _decide(
    kind: str, cases: list[str], person: str | None, as_json: bool, *, exactly: str | None = None, **given: Any
) -> None:
    answers = []
    with acting(person, as_json) as client:
        try:
            for text in cases:
                case = case_id(client, text)
                _check_exactly(client, case, exactly)
                answers.append(client.decide(kind, case, **given))
                if not as_json:
                    _say_answer(kind, answers[-1], client)
        except Refused:
            if len(cases) > 1 and not as_json:
                say([f"{len(answers)} of {len(cases)} were recorded before this one:"])
            raise
    if as_json:
        print_json(answers)


def _check_exactly(client: Client, case: str, exactly: str | None) -> None:
    if exactly is None:
        return
    ticket = client.case(case)["ticket"]
    digest = ticket["data"]["digest"] if ticket else ""
    if not digest.startswith(exactly.replace(" ", "").lower()):
        shown = fingerprint(digest) if digest else "nothing yet"
        raise Refused("stale_digest", f"what is to be approved is {shown}", "Look again: trueup show CASE")


def _say_answer(kind: str, answer: dict[str, Any], client: Client) -> None:
    name = client.session.name if client.session else client.person
    followed = [_short(event) for event in answer["types"][1:]]
    more = f" With it: {', '.join(followed)}." if followed else ""
    say([cell(f"{_DONE[kind]}: {answer['case']}, by {name}. It is now at {answer['stage']}.{more}")])


def _short(event_type: str) -> str:
    return event_type.removeprefix("trueup.").removesuffix(".v1").replace(".", " ")
