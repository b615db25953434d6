"""What Git has beside what is active. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from common.declarations.loader import Document, load
from common.errors import Refused

from cli.git.repository import GitFile

Standing = Literal["same", "changed", "only in Git", "only active"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One document: as Git has it, and as it is active."""

    kind: str
    name: str
    standing: Standing
    file: str
    in_git: str | None
    active: str | None
    commit: str | None
    """From which commit the active version came."""

    @property
    def key(self) -> str:
        return f"{self.kind}.{self.name}"


def documents_of(files: Sequence[GitFile]) -> list[Document]:
    """All documents of all files. Raises `Refused` (`invalid_declaration`) with every problem, by file and line."""
    documents: list[Document] = []
    problems: list[str] = []
    for file in files:
        loaded = load(file.text, file.path)
        documents += loaded.documents
        problems += [str(problem) for problem in loaded.problems]
    if problems:
        raise Refused("invalid_declaration", "\n".join(problems), "Mend it in Git: nothing was proposed.")
    return documents


def compare(documents: Sequence[Document], active: Sequence[Mapping[str, Any]]) -> list[Compared]:
    """Every document of either side, by kind and name. `active` as the approver lists it."""
    in_git = {(item.kind, item.name): item for item in documents}
    in_force = {(item["kind"], item["name"]): item for item in active}
    found = []
    for key in sorted({*in_git, *in_force}):
        ours, theirs = in_git.get(key), in_force.get(key)
        digest = None if ours is None else ours.digest
        known = None if theirs is None else str(theirs["digest"])
        standing: Standing = "same" if digest == known else "changed"
        if digest is None or known is None:
            standing = "only active" if digest is None else "only in Git"
        commit = None if theirs is None else theirs.get("commit")
        found.append(Compared(*key, standing, ours.file if ours else "", digest, known, commit))
    return found


def joined(files: Sequence[GitFile]) -> str:
    """One text with all documents of all files."""
    return "\n---\n".join(file.text.strip().removeprefix("---").strip() for file in files) + "\n"
