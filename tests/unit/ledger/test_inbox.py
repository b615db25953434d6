"""New, handled before, or after a break: decided from positions alone."""

from __future__ import annotations

import zlib

from common.bus.inbox import Announced, Inbox, Item, Stalled
from common.bus.partitions import partition_of
from common.ledger import Recorded
from common.ledger.progress import Move
from hypothesis import given
from hypothesis import strategies as st

A, B = ("gaps", 0), ("gaps", 1)


def message(position: int, previous: int, at: tuple[str, int] = A) -> Announced:
    return Announced(at, 0, position, previous, None, b"")


def item(position: int, at: tuple[str, int] = A) -> Item:
    return Item(at, Recorded(position, None, b""))


def test_what_was_handled_is_not_new() -> None:
    inbox = Inbox({A: 5})
    assert [inbox.is_new(A, position) for position in (4, 5, 6)] == [False, False, True]
    assert inbox.is_new(B, 0)


def test_a_message_breaks_when_the_one_before_it_was_not_seen() -> None:
    inbox = Inbox({A: 5})
    assert inbox.breaks([message(7, 5), message(9, 7)]) == set()
    assert inbox.breaks([message(7, 5), message(9, 8)]) == {A}
    assert inbox.breaks([message(7, 6)]) == {A}
    assert inbox.breaks([message(7, -1, B), message(3, 2, A)]) == set()
    assert inbox.breaks([message(7, 3, B)]) == {B}


def test_a_relay_that_repeats_itself_is_no_break() -> None:
    assert Inbox({A: 5}).breaks([message(4, 2), message(5, 4), message(6, 5)]) == set()
    assert Inbox().breaks([message(4, -1), message(6, 4), message(4, -1), message(6, 4)]) == set()


@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.data())
def test_any_message_that_is_lost_is_noticed_at_the_next_one(positions: list[int], data: st.DataObject) -> None:
    positions.sort()
    chain = [message(position, previous) for position, previous in zip(positions, [-1, *positions], strict=False)]
    lost = data.draw(st.integers(0, len(chain) - 1))
    left = chain[:lost] + chain[lost + 1 :]
    assert bool(Inbox().breaks(left)) == (lost < len(chain) - 1)


def test_the_inbox_moves_to_the_last_of_each_partition_and_never_back() -> None:
    inbox = Inbox({A: 5})
    moves = inbox.moves([item(6), item(8), item(7), item(2, B)])
    assert moves == {A: Move(5, 8), B: Move(None, 2)}
    inbox.moved(moves)
    assert inbox.moves_to({A: 8, B: 1}) == {}


def test_only_what_stands_still_is_stalled() -> None:
    stalled = Stalled()
    assert stalled.look({A: 5, B: 5}, {A: 2}) == set()
    assert stalled.look({A: 9, B: 9}, {A: 3}) == {B}
    assert stalled.look({A: 9, B: 9}, {A: 3, B: 9}) == {A}
    assert stalled.look({A: 9}, {A: 9}) == set()


def test_partitions_are_those_of_other_clients() -> None:
    """CRC-32's own check value, and that of bytes beyond ASCII."""
    assert partition_of("123456789", 1 << 32) == 0xCBF43926
    assert partition_of("é", 1 << 32) == zlib.crc32(b"\xc3\xa9")
    assert {partition_of(f"entity/thing/{number}", 8) for number in range(100)} == set(range(8))
