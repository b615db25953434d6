"""What rules and objectives were called before: one former name has one successor, and is no name any more. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeAlias

from common.declarations.problems import Path, refuse

Renamed: TypeAlias = tuple[Path, str, str]
"""(where it stands, name, former name)."""


class Named(Protocol):
    """A rule or an objective."""

    @property
    def name(self) -> str: ...
    @property
    def formerly(self) -> Sequence[str]: ...


def renamed(sorts: Iterable[tuple[str, Sequence[Named]]]) -> tuple[Renamed, ...]:
    """Everything that was called otherwise; `sorts` by the field that they stand in."""
    return tuple(
        ((sort, index, "formerly"), item.name, former)
        for sort, items in sorts
        for index, item in enumerate(items)
        for former in item.formerly
    )


def check(names: Collection[str], found: Iterable[Renamed]) -> None:
    """Raise (`ambiguous_rename`) where a former name could mean two things."""
    taken: dict[str, str] = {}
    for at, name, former in found:
        if former in names:
            told = f"{name} was formerly {former!r}, and there is a {former!r} still."
            refuse("ambiguous_rename", told, "A rule that is still there was not renamed: drop one.", at)
        if taken.setdefault(former, name) != name:
            told = f"Both {taken[former]} and {name} were formerly {former!r}."
            refuse("ambiguous_rename", told, "Its history can go on under one name only: keep one.", at)
