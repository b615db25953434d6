"""`trueup feeds`: which systems may report to a realm that runs on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.people import doubts, sessions
from cli.people.screen import Json, answering, print_json, say
from cli.stack import state
from cli.stack.commands import Running, the_running_one
from cli.stack.secretfiles import write_private

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Which systems may report to a realm on this machine: list, add, remove.",
)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """The feeds that have a token."""
    with answering(as_json):
        feeds = sorted(_read(_file(_of(folder)[1])))
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
        if not NAME.fullmatch(feed):
            raise Refused("feed_malformed", f"{feed!r} can't name a feed", "Small letters, digits and hyphens.")
        realm, where = _of(folder)
        kept = give_token(where, realm, feed)
        doubt = doubts.of_feed(where, feed)
    if as_json:
        print_json({"feed": feed, "realm": realm, "token": str(kept), "doubt": doubt})
        return
    say([f"{feed} may report to realm {realm}. Its token is in {kept}; trueup observe finds it there."])
    say([doubt] if doubt else [])


@app.command()
def remove(
    feed: Annotated[str, typer.Argument(help="The feed.")], folder: Running = None, as_json: Json = False
) -> None:
    """Take a feed's token away: it may report nothing from now on. What it reported stays."""
    with answering(as_json):
        realm, where = _of(folder)
        feeds = _read(_file(where))
        if feed not in feeds:
            raise Refused("feed_unknown", f"{feed} has no token", f"Feeds: {', '.join(sorted(feeds)) or 'none'}.")
        _write(where, {name: digest for name, digest in feeds.items() if name != feed})
        token_path(realm, feed, where).unlink(missing_ok=True)
    if as_json:
        print_json({"feed": feed, "realm": realm})
        return
    say([f"{feed} may report nothing to realm {realm} any more."])


def has_token(where: Path, feed: str) -> bool:
    """Whether the feed of the stack in `where` has one."""
    return feed in _read(_file(where))


def give_token(where: Path, realm: str, feed: str) -> Path:
    """Make a new token for the feed of the stack in `where`; the file that holds it."""
    token = secrets.token_urlsafe(24)
    kept = token_path(realm, feed, where)
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(kept, token + "\n")
    _write(where, {**_read(_file(where)), feed: hashlib.sha256(token.encode()).hexdigest()})
    return kept


def token_path(realm: str, feed: str, stack: Path) -> Path:
    """Where a feed's token for the realm is kept on this computer."""
    return sessions.place(realm, stack) / "feeds" / f"{feed}.token"


def kept_tokens() -> dict[str, str]:
    """The tokens kept here for the realm that runs here, by feed."""
    where = the_running_one()
    known = state.read(where)
    if known is None:
        return {}
    found = token_path(known.realm, "any", where).parent.glob("*.token")
    return {path.stem: path.read_text("ascii").strip() for path in sorted(found)}


def chosen(tokens: Mapping[str, str], feed: str, source_of: Callable[[str], str | None]) -> str:
    """The token of `feed`; without one, of the only feed there is, or of the feed that the entity type names.

    `source_of` asks the observer for that feed with any of the tokens. Raises `Refused` (`token_missing`).
    """
    one = next(iter(tokens.values()), "")
    if not feed and len(tokens) > 1:
        feed = source_of(one) or ""
    if not feed and tokens:  # the only one; or the observer knows no such type, and says so to any of them
        return one
    if feed not in tokens:
        raise Refused(
            "token_missing",
            f"no token is kept here for {feed or 'any feed'}; kept: {', '.join(tokens) or 'none'}",
            f"Give it one: trueup feeds add {feed or 'FEED'}. Or pass one: --token TOKEN",
        )
    return tokens[feed]


def _of(folder: Path | None) -> tuple[str, Path]:
    where = folder or the_running_one()
    known = state.read(where)
    if known is None:
        raise Refused("stack_not_running", f"no realm runs in {where}", "Start one: trueup up")
    return known.realm, where


def _file(where: Path) -> Path:
    return where / "config" / "feeds.json"


def _write(where: Path, feeds: dict[str, str]) -> None:
    path = _file(where)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(feeds, indent=1) + "\n", "utf-8")
    temporary.replace(path)


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}
    except ValueError as error:
        raise Refused("feeds_unreadable", f"{path} can't be read: {error}", "Repair it, or start from {}.") from error
