"""`trueup keys`: the keys that the services of a realm sign with. Only the realm's operator can write these files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from common.clock import wall_now
from common.errors import Refused

from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.stack import service_keys
from cli.stack.commands import Running, the_running_one

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The services' own keys: which are trusted, a new one, the first ones.",
)
Config = Annotated[
    Path | None,
    typer.Option("--config", help="The folder with service-keys.json, for a realm that does not run here."),
]


@app.command(name="list")
def list_(folder: Running = None, config: Config = None, as_json: Json = False) -> None:
    """The keys that are trusted, since when and until when, and which of them sign now."""
    with answering(as_json):
        where = _config(folder, config)
        trusted, signing = service_keys.read_trust(where), service_keys.signing_now(where)
    if as_json:
        print_json([{**key.model_dump(), "id": key.id, "signs": key.id in signing} for key in trusted.keys])
        return
    shown = table("service", "key", "since", "until", "")
    for key in sorted(trusted.keys, key=lambda key: (key.service, key.since)):
        signs = "signs now" if key.id in signing else ""
        shown.add_row(cell(key.service), cell(key.id), cell(key.since), cell(key.until or "-"), cell(signs))
    say([shown, f"{len(trusted.keys)} keys in realm {trusted.realm}."])


@app.command()
def rotate(
    service: Annotated[str, typer.Argument(help="planner, approver, executor or auditor.")],
    at_once: Annotated[bool, typer.Option("--at-once", help="The old key was stolen: it counts no more.")] = False,
    folder: Running = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a service a new key. A service that runs here signs its next event with it; the old key counts for five
    minutes more, and what it signed stays valid."""
    with answering(as_json):
        where = _config(folder, config)
        new, retired = service_keys.rotate(where, service, wall_now(), at_once=at_once)
    if as_json:
        print_json({"service": service, "new": new.model_dump(), "retired": [key.model_dump() for key in retired]})
        return
    told = [f"The {service} signs with {new.id} from now on."]
    told += [f"{key.id} counts until {key.until}; what it signed before stays valid." for key in retired]
    if config is not None:
        told.append("Give the services service-keys.json first, and only then the new key to its service.")
    say(told)


@app.command()
def make(
    config: Annotated[Path, typer.Option("--config", help="The folder to make them in.")],
    realm: Annotated[str, typer.Option("--realm", help="The realm they are for.")],
    as_json: Json = False,
) -> None:
    """Make the keys that are missing in a folder, and the file of those that are trusted. Touches no other."""
    with answering(as_json):
        config.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = service_keys.provide(config, realm, wall_now())
        known = service_keys.read_trust(config).realm
        if known != realm:
            raise Refused("wrong_realm", f"the keys in {config} are of realm {known}", "Take another folder.")
    if as_json:
        print_json({"realm": realm, "made": made})
        return
    say([f"Realm {realm}: new keys for {', '.join(made)}." if made else f"Realm {realm}: no key was missing."])


def _config(folder: Path | None, config: Path | None) -> Path:
    return config or (folder or the_running_one()) / "config"
