"""What is wrong with a declaration, said so that its author can repair it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from pydantic_core import PydanticCustomError

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `reason_code` is stable; `hint` says what to write instead and may be empty.

    `line` counts from 1. `path` leads from the document's root, e.g. `spec.deadlines[0].by`.
    """

    file: str
    line: int
    path: str
    reason_code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " + (f"{self.path}: " if self.path else "")
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")


class Wrong(Exception):
    """A fault without its place yet: whoever knows file and line turns it into a Problem."""

    def __init__(self, reason_code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.reason_code = reason_code
        self.message = message
        self.hint = hint


def wrong(reason_code: str, message: str, hint: str = "", at: Path = ()) -> PydanticCustomError:
    """The same fault for a pydantic validator to raise; `at` leads further down from where it stands."""
    context = {"code": reason_code, "message": message, "hint": hint, "at": at}
    return PydanticCustomError("declaration", "{message}", context)


def refuse(reason_code: str, message: str, hint: str = "", at: Path = ()) -> NoReturn:
    """Raise the fault from inside a pydantic validator."""
    raise wrong(reason_code, message, hint, at)


def path_text(path: Path) -> str:
    """`('spec', 'deadlines', 0, 'by')` as `spec.deadlines[0].by`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, or all of them when they are few, or nothing.

    Nothing also when `word` itself is known: then something else is wrong with it.
    """
    names = sorted(set(known))
    if word in names:
        return ""
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    near = near or [name for name in names if name.lower() == word.lower()]
    few = f"Known here: {', '.join(names)}." if 0 < len(names) <= 12 else ""
    if not near:
        return few
    sure = difflib.SequenceMatcher(a=word, b=near[0]).ratio() >= 0.7 or not few
    return f"Did you mean {near[0]}?" + ("" if sure else f" {few}")
