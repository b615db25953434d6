"""Who is signed in on this computer: one file a person and realm, readable by its owner only.

Keys, sessions and feed tokens of a realm that runs here are kept in its own folder, `.trueup/NAME/people`: they go
with it, and no other realm of the same name meets them. Those of a realm elsewhere (`trueup login --url`) are in the
user's configuration folder. TRUEUP_CONFIG_HOME replaces both.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.errors import Refused

from cli.client import Client, Session
from cli.stack.state import STACKS

CURRENT = "current.json"
_SESSION = ".session.json"
_SIGN_IN = "Sign in first: trueup login --person YOU"


def home() -> Path:
    """The folder for realms elsewhere: TRUEUP_CONFIG_HOME, else `trueup` in the user's configuration folder."""
    if own := os.environ.get("TRUEUP_CONFIG_HOME"):
        return Path(own)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "trueup"


def place(realm: str, stack: Path | None = None) -> Path:
    """Where keys, sessions and tokens for the realm are kept. `stack`: the folder of the stack that it runs on."""
    if stack is not None and not os.environ.get("TRUEUP_CONFIG_HOME"):
        return stack / "people"
    return home() / realm


def key_path(realm: str, person: str, stack: Path | None = None) -> Path:
    """Where the person's private key for the realm is kept by default."""
    return place(realm, stack) / f"{person}.key"


def save(session: Session, key: Path, stack: Path | None = None) -> None:
    """Keep the session (0600) and make it the current one."""
    folder = place(session.realm, stack)
    _write(_session_path(folder, session.person), {**asdict(session), "key": str(key.resolve())})
    pointer = folder if folder != home() / session.realm else home()
    _write(pointer / CURRENT, {"realm": session.realm, "person": session.person})


def connect(person: str | None = None) -> Client:
    """A client for the person who signed in last, or for `person` in the same realm.

    Raises `Refused` (`not_signed_in`) when nobody has, or the session can't be read.
    """
    pointer = _latest()
    current = _read(pointer)
    folder = pointer.parent if pointer.parent != home() else home() / current["realm"]
    stored = _read(_session_path(folder, person or current["person"]))
    key = Path(stored.pop("key"))
    stored["roles"] = tuple(stored["roles"])
    session = Session(**stored)
    return Client(session.url, session.person, key, session=session)


def _latest() -> Path:
    """The newest of the files that say who signed in last: of realms elsewhere, and of each stack in this folder."""
    found = [home() / CURRENT]
    if not os.environ.get("TRUEUP_CONFIG_HOME"):
        found += STACKS.glob(f"*/people/{CURRENT}")
    return max(found, key=lambda path: path.stat().st_mtime_ns if path.exists() else 0)


def _session_path(folder: Path, person: str) -> Path:
    return folder / f"{person}{_SESSION}"


def _write(path: Path, body: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        json.dump(body, output, indent=1)
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:
        raise Refused("not_signed_in", f"the session in {path} can't be read: {error}", _SIGN_IN) from error
    return body


def _missing(path: Path) -> Refused:
    person = path.name.removesuffix(_SESSION)
    if person == path.name:
        return Refused("not_signed_in", "nobody is signed in here", _SIGN_IN)
    return Refused("not_signed_in", f"{person} is not signed in here", f"Sign in: trueup login --person {person}")
