"""What is in Git and what is active, reported to the realm's observer like anything else that is observed: a
difference is then a gap of the desired state that looks at it (`examples/git`)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.git.comparing import Compared
from cli.imports.source import Source
from cli.observe.sending import Import, Observer, Outcome, send

ENTITY_TYPE = "declaration"


def rows(compared: Sequence[Compared], commit: str, branch: str) -> list[dict[str, str]]:
    """One row for each document. A side that does not have it is `none`."""
    return [
        {
            "id": item.key,
            "file": item.file,
            "branch": branch,
            "commit": commit,
            "in_git": item.in_git or "none",
            "active": item.active or "none",
        }
        for item in compared
    ]


def report(observer: Observer, compared: Sequence[Compared], commit: str, branch: str, as_of: str) -> Outcome:
    """Send it as a complete snapshot. Raises `Refused`."""
    with tempfile.TemporaryDirectory(prefix="trueup-git-") as folder:
        file = Path(folder) / "declarations.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(compared, commit, branch)))
        return send(observer, Import(Source(file), ENTITY_TYPE, as_of), lambda _: None)
