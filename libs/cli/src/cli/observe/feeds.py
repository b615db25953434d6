"""`trueup feeds`: which systems may report to a realm that runs on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.people import sessions
from cli.people.screen import Json, answering, print_json, say
from cli.stack import state
from cli.stack.commands import Running, the_running_one
from cli.stack.secretfiles import write_private

app = typer.Typer(no_args_is_help=True, help="Which systems may report to a realm on this machine: list, add.")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """The feeds that have a token."""
    with answering(as_json):
        _, path = _of(folder)
        feeds = sorted(_read(path))
    if as_json:
        print_json(feeds)
        return
    say([*feeds, f"{len(feeds)} feeds may report."])


@app.command()
def add(
    feed: Annotated[str, typer.Argument(help="The feed, as the EntityType's source names it.")],
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Give a feed a new token. The observer notices by itself; a former token no longer counts."""
    with answering(as_json):
        if not _NAME.fullmatch(feed):
            raise Refused("feed_malformed", f"{feed!r} can't name a feed", "Small letters, digits and hyphens.")
        realm, path = _of(folder)
        token = secrets.token_urlsafe(24)
        feeds = {**_read(path), feed: hashlib.sha256(token.encode()).hexdigest()}
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(feeds, indent=1) + "\n", "utf-8")
        temporary.replace(path)
        kept = token_path(realm, feed)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_private(kept, token + "\n")
    if as_json:
        print_json({"feed": feed, "realm": realm, "token": str(kept)})
        return
    say([f"{feed} may report to realm {realm}. Its token is in {kept}; trueup observe finds it there."])


def token_path(realm: str, feed: str) -> Path:
    """Where a feed's token for the realm is kept on this computer."""
    return sessions.home() / realm / "feeds" / f"{feed}.token"


def kept_token(feed: str) -> str:
    """The token kept for `feed`, or for the only feed that has one. Raises `Refused` (`token_missing`)."""
    known = state.read(the_running_one())
    folder = token_path(known.realm, "any").parent if known is not None else Path()
    found = sorted(folder.glob(f"{feed or '*'}.token")) if known is not None else []
    if len(found) != 1:
        raise Refused(
            "token_missing",
            f"{len(found)} tokens are kept here" + (f" for {feed}" if feed else ""),
            "Name the feed: --feed. Give it a token: trueup feeds add FEED. Or pass one: --token",
        )
    return found[0].read_text("ascii").strip()


def _of(folder: Path | None) -> tuple[str, Path]:
    where = folder or the_running_one()
    known = state.read(where)
    if known is None:
        raise Refused("stack_not_running", f"no realm runs in {where}", "Start one: trueup up")
    return known.realm, where / "config" / "feeds.json"


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}
    except ValueError as error:
        raise Refused("feeds_unreadable", f"{path} can't be read: {error}", "Repair it, or start from {}.") from error
