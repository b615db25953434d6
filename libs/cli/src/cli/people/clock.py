"""`trueup clock show` and `trueup clock advance`: the realm's clock."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from common.clock import instant
from common.errors import Refused

from cli.people.screen import As, Json, acting, print_json, say
from cli.people.words import moment

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The realm's clock: look at it, or move a replay clock."
)


@app.command()
def show(as_person: As = None, as_json: Json = False) -> None:
    """What time it is in the realm, and whether everything before has been handled."""
    with acting(as_person, as_json) as client:
        realm = client.realm()
    if as_json:
        print_json(realm)
        return
    kind = "a replay clock: not the real time" if realm["mode"] == "replay" else "the wall clock"
    say([f"{moment(realm['now'], realm['timezone'])} in realm {realm['realm']} ({realm['timezone']}), {kind}."])
    say(["Everything before has been handled."] if realm["quiescent"] else [f"Behind: {'; '.join(realm['behind'])}"])


@app.command()
def advance(
    to: Annotated[str, typer.Argument(metavar="TO", help="A day (2023-07-15) or an instant (2023-07-15T12:00:00Z).")],
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Move a replay clock forward. Waits until everything before has been handled; what is due on the way fires."""
    with acting(as_person, as_json) as client:
        zone = client.realm()["timezone"]
        answer = client.advance(_instant(to, zone))
    if as_json:
        print_json(answer)
        return
    say([f"The clock moved from {moment(answer['was'], zone)} to {moment(answer['now'], zone)} ({zone})."])


def _instant(text: str, zone: str) -> str:
    """The instant that a person means: a day begins at midnight in the realm's zone."""
    try:
        if len(text) == 10:
            return instant(datetime.combine(date.fromisoformat(text), time(), ZoneInfo(zone)))
        given = datetime.fromisoformat(text)
        return instant(given if given.tzinfo else given.replace(tzinfo=ZoneInfo(zone)))
    except ValueError as error:
        hint = "Write a day, 2023-07-15, or an instant, 2023-07-15T12:00:00Z."
        raise Refused("malformed_request", f"{text!r} is not a day or an instant", hint) from error
