"""`trueup login` and `trueup whoami`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.client import Client
from cli.people import sessions
from cli.people.screen import As, Json, acting, answering, print_json, say
from cli.people.words import moment
from cli.private_keys import write_key
from cli.stack import state


def login(
    person: Annotated[str, typer.Option("--person", help="Your id in the realm's directory.")],
    url: Annotated[str | None, typer.Option("--url", help="The approver's address.", envvar="TRUEUP_URL")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Your private key's file.")] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a key, and show its public half.")] = False,
    as_json: Json = False,
) -> None:
    """Sign in with your own key, which never leaves this computer. Lasts twelve hours."""
    with answering(as_json):
        address, stack = _approver(url)
        with Client(address, person, key or Path()) as stranger:
            realm = stranger.asked_realm()
        path = key or sessions.key_path(realm, person, stack)
        if new_key:
            _made(path, person, realm, as_json)
            return
        with Client(address, person, path) as client:
            session = client.login()
        sessions.save(session, path, stack)
    if as_json:
        print_json({"person": session.person, "name": session.name, "realm": session.realm, "url": session.url,
                    "roles": list(session.roles), "expires": session.expires})  # fmt: skip
        return
    say(
        [
            f"Signed in to realm {session.realm} as {session.name}, until {moment(session.expires)}.",
            f"Roles: {', '.join(session.roles) or 'none'}.",
        ]
    )


def _approver(url: str | None) -> tuple[str, Path | None]:
    """The approver's address, and the folder of the stack that it belongs to, if that runs here."""
    address = url or state.find_url("approver")
    return address, state.serving("approver").get(address.rstrip("/"))


def _made(path: Path, person: str, realm: str, as_json: bool) -> None:
    public = write_key(path)
    if as_json:
        print_json({"person": person, "realm": realm, "key": str(path), "public_key": public})
        return
    say(
        [
            f"Your new private key is in {path}. Keep it to yourself.",
            f"Have this public key entered for {person} in the directory of realm {realm}:",
            f"  {public}",
        ]
    )


def whoami(as_person: As = None, as_json: Json = False) -> None:
    """Who is signed in here, in which realm, with which roles."""
    with acting(as_person, as_json) as client:
        me = client.me()
        if client.session is None:
            raise Refused("not_signed_in", "nobody is signed in here", "Sign in first: trueup login --person YOU")
    if as_json:
        print_json({**me, "url": client.session.url, "expires": client.session.expires})
        return
    say([f"{me['name']} ({me['person']}) in realm {me['realm']} at {client.session.url}",
         f"Roles: {', '.join(me['roles']) or 'none'}"])  # fmt: skip
