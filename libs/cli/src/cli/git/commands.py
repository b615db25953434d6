"""`trueup apply --watch REPO`: what is merged is proposed, and what differs from what is active is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import Refused

from cli.client import Client
from cli.git import courier, reporting
from cli.git.courier import Look, Watch
from cli.git.repository import Repository
from cli.observe.commands import token_for
from cli.observe.sending import Observer
from cli.people.screen import cell, print_json, say
from cli.stack.state import find_url

EXIT_DIFFERS = 3
"""Git and what is active differ (`--once`): proposed, waiting, unreadable, or active and not in Git."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How the watch was asked for. `every` in seconds; `report`: also as observations of `declaration`."""

    repository: Path
    watch: Watch
    comment: str
    every: float
    once: bool
    report: bool
    as_json: bool


def watch(client: Client, asked: Asked, sleep: Callable[[float], None] = time.sleep) -> int:
    """Look until interrupted, or once; answers the exit code. A merge that can't be read is said and waited out."""
    told: tuple[Any, ...] | None = None
    with Repository(asked.repository) as repository:
        while True:
            found = _look(client, repository, asked)
            state = (found.said, found.commit, tuple(item.key for item in found.differing))
            if state != told:
                _tell(found, asked)
                if asked.report and found.compared:
                    _report(client, found, asked)
                told = state
            if asked.once:
                return 0 if found.said == "same" and not found.differing else EXIT_DIFFERS
            sleep(asked.every)


def _look(client: Client, repository: Repository, asked: Asked) -> Look:
    try:
        return courier.look(client, repository, asked.watch, asked.comment)
    except Refused as refused:
        if asked.once or refused.reason_code not in ("token_expired", "token_invalid", "not_signed_in"):
            raise
    client.login()
    return courier.look(client, repository, asked.watch, asked.comment)


def _report(client: Client, found: Look, asked: Asked) -> None:
    url = find_url("observer")
    with Observer(url, token_for(url, reporting.ENTITY_TYPE, "")) as observer:
        reporting.report(observer, found.compared, found.commit, asked.watch.branch, client.realm()["now"])


def _tell(found: Look, asked: Asked) -> None:
    if asked.as_json:
        print_json(_as_json(found, asked))
        return
    where = f"{asked.watch.branch} at {found.commit[:12]}"
    proposal = (found.proposal or {}).get("id", "")
    back = f" What it had before and nobody activated is taken back, by {proposal}." if proposal else ""
    head = {
        "same": f"{where}: all that Git has is active.{back}",
        "proposed": f"{where}: proposed as {proposal}. Who wrote none of it activates it: trueup show {proposal}",
        "waits": f"{where}: proposed as {proposal} already, and nobody has activated it yet.",
        "invalid": f"{where}: nothing was proposed. {found.problem.message if found.problem else ''}",
    }[found.said]
    lines = [cell(head, "bold" if found.said == "proposed" else "")]
    if found.problem is not None:
        lines.append(cell(found.problem.what_to_do, "cyan"))
    for writer in ((found.proposal or {}).get("git") or {}).get("writers", []):
        lines.append(writer_line(writer))
    lines += [
        cell(f"  {item.standing:<12}  {item.kind} {item.name}{f'  ({item.file})' if item.file else ''}", "yellow")
        for item in found.differing
    ]
    say(lines)


def writer_line(writer: dict[str, Any]) -> Any:
    """One author of commits, and who that is."""
    who = (
        f"is {writer['person']}" if writer["person"] else "is nobody the directory knows: that blocks the activation"
    )
    many = "commit" if writer["commits"] == 1 else "commits"
    text = f"  {writer['name']} <{writer['email']}>, {writer['commits']} {many}: {who}"
    return cell(text, "" if writer["person"] else "red")


def _as_json(found: Look, asked: Asked) -> dict[str, Any]:
    problem = found.problem
    return {
        "said": found.said,
        "branch": asked.watch.branch,
        "commit": found.commit,
        "proposal": (found.proposal or {}).get("id"),
        "writers": ((found.proposal or {}).get("git") or {}).get("writers", []),
        "documents": [
            {"kind": one.kind, "name": one.name, "standing": one.standing, "file": one.file, "in_git": one.in_git,
             "active": one.active}
            for one in found.compared
        ],
        "problem": None if problem is None else {"error": problem.reason_code, "message": problem.message},
    }  # fmt: skip
