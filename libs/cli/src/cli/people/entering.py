"""`trueup people`: the directory of a realm that runs on this machine. Only its operator can write that file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from common.directory import Directory, DirectoryFile, Person
from common.errors import Permanent, Refused
from common.signing import public_of
from pydantic import ValidationError

from cli.client import read_key, write_key
from cli.people import sessions
from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.stack.commands import Running, the_running_one

app = typer.Typer(
    no_args_is_help=True, help="The directory of a realm on this machine: who there is, in which roles."
)


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """Who is in the directory."""
    with answering(as_json):
        content = _read(_path(folder))
    if as_json:
        print_json([person.model_dump() for person in content.people])
        return
    shown = table("person", "name", "roles")
    for person in content.people:
        shown.add_row(cell(person.id), cell(person.name), cell(", ".join(person.roles)))
    say([shown, f"{len(content.people)} people in realm {content.realm}."])


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
        path = _path(folder)
        content = _read(path)
        key = public_key or _own_key(content.realm, person)
        entered = _entered(content, {"id": person, "name": name, "roles": tuple(role), "key": key})
        _write(path, entered)
    if as_json:
        print_json({"person": person, "realm": content.realm, "roles": role, "public_key": key})
        return
    say([f"{name} ({person}) is in the directory of realm {content.realm}: {', '.join(role)}."])
    if public_key is None:
        say([f"Their key is {sessions.key_path(content.realm, person)}. Next: trueup login --person {person}"])


def _path(folder: Path | None) -> Path:
    return (folder or the_running_one()) / "config" / "directory.json"


def _read(path: Path) -> DirectoryFile:
    if not path.exists():
        raise Refused("directory_missing", f"there is no directory at {path}", "Start a realm first: trueup up")
    try:
        return DirectoryFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Refused("directory_unreadable", f"{path}: {error.errors()[0]['msg']}", "Repair it by hand.") from error


def _own_key(realm: str, person: str) -> str:
    path = sessions.key_path(realm, person)
    return public_of(read_key(path)) if path.exists() else write_key(path)


def _entered(content: DirectoryFile, entry: dict[str, Any]) -> DirectoryFile:
    try:
        person = Person.model_validate(entry)
    except ValidationError as error:
        raise Refused("person_malformed", str(error.errors()[0]["msg"]), "An id is like j.moreau.") from error
    others = tuple(known for known in content.people if known.id != person.id)
    entered = content.model_copy(update={"people": (*others, person)})
    try:
        Directory.of(entered.realm, entered.people)
    except Permanent as error:
        raise Refused(error.reason_code, error.message, "Every person has an id and a key of their own.") from error
    return entered


def _write(path: Path, content: DirectoryFile) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    temporary.replace(path)
