"""`trueup ledger erase` and `erasures`: erasing personal data, asked for by one person and approved by another."""

from __future__ import annotations

from typing import Annotated

import typer
from common.errors import Refused
from common.ids import is_key
from common.sealing import Subject

from cli.people.screen import As, Json, acting, cell, print_json, say, table

_NEXT = {
    "requested": "Somebody else approves it: trueup ledger erase --subject {subject} --approve",
    "approved": "The observer destroys the key: trueup ledger erasures shows when it has.",
    "erased": "The key is destroyed. Nothing brings back what it opened.",
}


def erase(
    subject: Annotated[str, typer.Option("--subject", metavar="TYPE/KEY", help="Whose data: finding/2022-090.")],
    approve: Annotated[bool, typer.Option("--approve", help="Approve what somebody else has asked for.")] = False,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Recorded, and signed, with your decision.")] = "",
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Ask that everything sensitive about a subject be erased; or approve it. It can't be taken back."""
    with acting(as_person, as_json) as client:
        named = client.known_as(_subject(subject))
        done = client.approve_erasure if approve else client.ask_erasure
        answer = done(named, comment=comment)
        if as_json:
            print_json(answer)
            return
        what = "Approved" if approve else "Asked for"
        say([cell(f"{what}: the erasure of {subject}. {_NEXT[answer['status']].format(subject=subject)}")])


def erasures(as_person: As = None, as_json: Json = False) -> None:
    """All erasures: who asked, who approved, which are done, and what was recorded that does not count."""
    with acting(as_person, as_json) as client:
        found = client.erasures()
    if as_json:
        print_json(found)
        return
    shown = table("subject", "", "asked by", "approved by", "erased")
    for item in found:
        line = (f"{item['entity_type']}/{item['key']}", item["status"], item["requested_by"])
        shown.add_row(*map(cell, (*line, item["approved_by"] or "", item["erased"] or "")))
    not_counted = [cell(f"Does not count: event {why}") for item in found for why in item["refused"]]
    say([shown, *not_counted, f"{len(found)} erasures."])


def _subject(text: str) -> Subject:
    entity_type, _, key = text.partition("/")
    if not entity_type or not is_key(key):
        raise Refused(
            "malformed_request", f"{text!r} names no subject", "Write its type and its key: finding/2022-090"
        )
    return entity_type, key
