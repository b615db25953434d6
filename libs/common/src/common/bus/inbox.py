"""What a consumer does with a message, decided from positions alone: new, handled before, or after a break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from common.ledger.client import Recorded
from common.ledger.progress import Move, Partition

NOTHING = -1


class Announced(NamedTuple):
    """A message on the bus: it says that the event at `position` exists.

    `previous` is the position of the message before it on its partition, -1 for the first.
    """

    at: Partition
    offset: int
    position: int
    previous: int
    key: bytes | None
    value: bytes


class Item(NamedTuple):
    """An event to handle, and the partition that brings it. `message` is None when it was read in the ledger."""

    at: Partition
    recorded: Recorded
    message: Announced | None = None


@dataclass(slots=True)
class Inbox:
    """The positions that have been handled, as last read or written."""

    positions: dict[Partition, int] = field(default_factory=dict)

    def handled(self, at: Partition) -> int:
        """The last position handled, -1 for none."""
        return self.positions.get(at, NOTHING)

    def is_new(self, at: Partition, position: int) -> bool:
        """Whether the event at `position` has yet to be handled."""
        return position > self.handled(at)

    def breaks(self, messages: Iterable[Announced]) -> set[Partition]:
        """The partitions on which something is missing before one of `messages` (in order by partition)."""
        expected: dict[Partition, int] = {}
        broken: set[Partition] = set()
        for message in messages:
            known = max(expected.get(message.at, NOTHING), self.handled(message.at))
            if message.previous > known:
                broken.add(message.at)
            expected[message.at] = max(known, message.position)
        return broken

    def moves(self, items: Iterable[Item]) -> dict[Partition, Move]:
        """Where the inbox goes when `items` are handled."""
        last: dict[Partition, int] = {}
        for item in items:
            last[item.at] = max(last.get(item.at, NOTHING), item.recorded.position)
        return self.moves_to(last)

    def moves_to(self, positions: Mapping[Partition, int]) -> dict[Partition, Move]:
        """Where the inbox goes to reach `positions`; partitions that are there already are left out."""
        return {
            at: Move(self.positions.get(at), position)
            for at, position in positions.items()
            if position > self.handled(at)
        }

    def moved(self, moves: Mapping[Partition, Move]) -> None:
        """Remember that `moves` were committed."""
        for at, move in moves.items():
            self.positions[at] = move.new


@dataclass(slots=True)
class Stalled:
    """Finds partitions on which something is published that doesn't arrive: seen unmoved twice in a row."""

    seen: dict[Partition, int] = field(default_factory=dict)

    def look(self, published: Mapping[Partition, int], handled: Mapping[Partition, int]) -> set[Partition]:
        """The partitions that are behind, and were just as far behind when looked at before."""
        behind = {
            at: handled.get(at, NOTHING) for at, position in published.items() if position > handled.get(at, NOTHING)
        }
        stalled = {at for at, position in behind.items() if self.seen.get(at) == position}
        self.seen = behind
        return stalled
