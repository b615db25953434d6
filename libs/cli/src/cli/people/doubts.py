"""What is probably a slip: a role that no policy in force names, a feed that no entity type is reported by.

Only said, never refused: people and feeds may well be entered before the declarations that name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import asyncpg
from common.erasures import APPROVER, REQUESTER
from common.events.approver import DeclarationActivated

from cli.stack import cluster
from cli.stack.errors import StackError
from cli.stack.stack import Stack

OWN_ROLES = ("declaration-author", "declaration-approver", "clock-keeper", "examiner", REQUESTER, APPROVER)
"""Roles that Trueup itself asks for; all others come from the declarations."""
Declared = tuple[str, Mapping[str, Any]]


def of_roles(stack: Path, given: Iterable[str]) -> list[str]:
    """A sentence for each role that nothing asks for in the realm that runs in the folder."""
    found = declared(stack)
    known = sorted({*OWN_ROLES, *roles(found)})
    return [said for role in given if (said := doubt("role", role, known, sure=bool(found)))]


def of_feed(stack: Path, feed: str) -> str:
    """A sentence, if no entity type in force is reported by the feed."""
    sources = sorted({str(spec["source"]) for kind, spec in declared(stack) if kind == "EntityType"})
    return doubt("feed", feed, sources, sure=bool(sources))


def doubt(what: str, given: str, known: list[str], *, sure: bool) -> str:
    """Nothing, if `given` is known. Not `sure`: nothing is declared yet, so only what looks like a slip is one."""
    family = given.partition("/")[0]
    if given in known or (family != given and family in known):
        return ""
    near = get_close_matches(given, known, n=1, cutoff=0.8)
    if not near and not sure:
        return ""
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
    return f"Note: no declaration in force names the {what} {given}; {meant}"


def roles(specs: Iterable[Declared]) -> set[str]:
    """Every role that these declarations ask for, as (kind, spec). `a` stands for each role `a/...` too."""
    found: set[str] = set()
    for kind, spec in specs:
        if kind in ("System", "DesiredState"):
            found.add(str(spec["owner"]))
        if kind == "ApprovalPolicy":
            lines = (line["roles"] for line in spec["approvePlan"])
            found.update(role for quorum in (spec["confirmGap"], spec["releaseStep"], *lines) for role in quorum)
            owners = spec.get("owners", {})
            found.update([*(key for key in owners if key != "otherwise"), owners.get("otherwise", "")])
    return found - {""}


def declared(stack: Path) -> list[Declared]:
    """Kind and spec of each declaration in force; none where the realm can't be asked."""
    try:
        return cluster.run(_read(Stack.attach(stack).database_url("reader")))
    except (StackError, OSError, asyncpg.PostgresError):
        return []


async def _read(url: str) -> list[Declared]:
    connection: Any = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT ON (stream) event FROM ledger.events WHERE type = $1 ORDER BY stream, version DESC",
            DeclarationActivated.TYPE,
        )
    finally:
        await connection.close()
    data = [json.loads(row["event"])["data"] for row in rows]
    return [(item["kind"], item["spec"]) for item in data]
