"""`trueup people`: the directory of a realm that runs on this machine. Only its operator can write that file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from common.clock import instant, wall_now
from common.directory import Directory, DirectoryFile, FormerKey, Person
from common.errors import Permanent, Refused
from common.in_words import in_words
from common.signing import public_of
from pydantic import ValidationError

from cli.people import doubts, sessions
from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.private_keys import read_key, write_key
from cli.stack.commands import Running, the_running_one

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The directory of a realm on this machine: who there is, in which roles.",
)


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """Who is in the directory."""
    with answering(as_json):
        content = read(folder or the_running_one())
    if as_json:
        print_json([person.model_dump() for person in content.people])
        return
    shown = table("person", "name", "roles")
    for person in content.people:
        roles = ", ".join(person.roles) if person.until is None else f"left {person.until}"
        shown.add_row(cell(person.id), cell(person.name), cell(roles))
    left = sum(person.until is not None for person in content.people)
    told = f"; {left} have left" if left else ""
    say([shown, f"{len(content.people) - left} people in realm {content.realm}{told}."])


@app.command()
def add(
    person: Annotated[str, typer.Argument(help="Id: small letters, digits, dots.")],
    name: Annotated[str, typer.Option("--name", help="As people know them.")],
    role: Annotated[list[str], typer.Option("--role", help="Again for each role.")],
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="As trueup login --new-key shows it to its owner.")
    ] = None,
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Enter a person, or replace their entry. Services notice by themselves.

    Without --public-key the person's key is the one kept on this computer, made if there is none: for development,
    where one plays several people.
    """
    with answering(as_json):
        stack = folder or the_running_one()
        content = read(stack)
        _check_id(person)
        before = _known(content, person)
        key = public_key or own_key(content.realm, person, stack)
        emails = before.emails if before is not None else ()
        former = () if before is None else _former(before, key, instant(wall_now()))
        entry = Person(id=person, name=name, roles=tuple(role), key=key, emails=emails, former=former)
        write(stack, with_person(content, entry))
        doubted = doubts.of_roles(stack, role)
    if as_json:
        told = {"person": person, "realm": content.realm, "roles": role, "public_key": key, "doubts": doubted}
        print_json({**told, "replaced": before.model_dump(mode="json") if before else None})
        return
    if before is not None:
        say([_replaced(before, key, role)])
    say([f"{name} ({person}) is in the directory of realm {content.realm}: {', '.join(role)}."])
    if public_key is None:
        kept = sessions.key_path(content.realm, person, stack)
        say([f"Their key is {kept}. Next: trueup login --person {person}"])
    say(doubted)


@app.command()
def email(
    person: Annotated[str, typer.Argument(help="The person's id.")],
    address: Annotated[list[str], typer.Argument(help="The addresses under which they write commits; none: forget.")],
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Say under which addresses a person writes commits: what they wrote in Git they can't activate."""
    with answering(as_json):
        stack = folder or the_running_one()
        content = read(stack)
        before = _known(content, person)
        if before is None:
            raise Refused("person_unknown", f"{person} is not in the directory", "See: trueup people list")
        write(stack, with_person(content, before.model_copy(update={"emails": tuple(address)})))
    if as_json:
        print_json({"person": person, "realm": content.realm, "emails": address})
        return
    say([f"{before.name} ({person}) writes commits as {', '.join(address)}."])


def _known(content: DirectoryFile, person: str) -> Person | None:
    return next((known for known in content.people if known.id == person), None)


def _former(before: Person, key: str, now: str) -> tuple[FormerKey, ...]:
    """The keys that were theirs, when `key` is from now on: what they signed before verifies by the one of then."""
    kept = tuple(one for one in before.former if one.key != key)
    if before.key == key:
        return kept
    return (*kept, FormerKey(key=before.key, until=before.until or now))


def _replaced(before: Person, key: str, roles: list[str]) -> str:
    key_too = " Another key: the old one counts for what they signed until now." * (before.key != key)
    return (
        f"Replaced the entry of {before.name} ({before.id}): "
        f"roles {', '.join(before.roles) or 'none'} \N{RIGHTWARDS ARROW} {', '.join(roles)}.{key_too}"
    )


@app.command()
def remove(
    person: Annotated[str, typer.Argument(help="The person's id.")], folder: Running = None, as_json: Json = False
) -> None:
    """Say that a person has left: they can decide nothing from now on. Their entry stays, with the key by which what
    they decided is verified."""
    with answering(as_json):
        stack = folder or the_running_one()
        content = read(stack)
        before = _known(content, person)
        if before is None:
            raise Refused("person_unknown", f"{person} is not in the directory", "See: trueup people list")
        if before.until is not None:
            raise Refused("person_left", f"{person} has left already, on {before.until}", "See: trueup people list")
        until = instant(wall_now())
        write(stack, with_person(content, before.model_copy(update={"until": until})))
    if as_json:
        print_json({"person": person, "realm": content.realm, "until": until})
        return
    say([f"{before.name} ({person}) has left: they decide nothing any more, what they decided still verifies."])


def _path(stack: Path) -> Path:
    return stack / "config" / "directory.json"


def read(stack: Path) -> DirectoryFile:
    """The directory of the realm in the folder. Raises `Refused` (`directory_missing`, `directory_unreadable`)."""
    path = _path(stack)
    if not path.exists():
        raise Refused("directory_missing", f"there is no directory at {path}", "Start a realm first: trueup up")
    try:
        return DirectoryFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Refused("directory_unreadable", f"{path}: {in_words(error)}", "Repair it by hand.") from error


def own_key(realm: str, person: str, stack: Path) -> str:
    """The public half of the person's key that is kept here, made if there is none."""
    path = sessions.key_path(realm, person, stack)
    return public_of(read_key(path)) if path.exists() else write_key(path)


def _check_id(person: str) -> None:
    try:
        Person(id=person, name="", roles=(), key="")
    except ValidationError as error:
        hint = "Use small letters, digits, dots, hyphens and _, such as j.moreau; at most 64."
        raise Refused("person_malformed", f"{person!r} can't be a person's id", hint) from error


def with_person(content: DirectoryFile, person: Person) -> DirectoryFile:
    """The directory with this person, in place of an entry of the same id. Raises `Refused`."""
    others = tuple(known for known in content.people if known.id != person.id)
    entered = content.model_copy(update={"people": (*others, person)})
    try:
        Directory.of(entered.realm, entered.people)
    except Permanent as error:
        raise Refused(error.reason_code, error.message, "Every person has an id and a key of their own.") from error
    return entered


def write(stack: Path, content: DirectoryFile) -> None:
    """Replace the file in one step: a service that reads it meanwhile sees the old one or the new one."""
    path = _path(stack)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    temporary.replace(path)
