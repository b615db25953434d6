"""What is sealed: every copy is compared with the bytes, the tree grows as if it had been built at once, and nothing
is put on top of tiles that don't give the signed root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from auditor.adapters.log_files import read_log_key
from auditor.api.log_metrics import exposition
from auditor.api.log_page import page
from auditor.core import sealing
from auditor.core.sealing import Row, check_leaves, empty, seal
from auditor.ports import LogStanding, WitnessLine
from common.errors import Permanent
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import an_event
from transparency.checkpoints import Checkpoint
from transparency.merkle import leaf_hash, leaf_hashes, root
from transparency.tiles import Tile, Tiles, edge

ORIGIN = "trueup/r"


@cache
def one(position: int) -> Row:
    """The row at this position, one of three streams; every second one carries its version."""
    stream, version = f"entity/thing/{position % 3}", position // 3 + 1
    case = f"c/{position}" if position % 5 else None
    made = an_event(stream=stream, identity=str(position), case=case, time=datetime(2023, 7, 3, tzinfo=UTC))
    event = replace(made, streamversion=version if position % 2 else None)
    return Row(position, event.encode(), event.source, event.id, stream, version, event.type, event.caseid)


def rows(count: int, first: int = 0) -> list[Row]:
    """Rows from position `first` on, as the ledger has them."""
    return [one(position) for position in range(first, first + count)]


def before(some: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in some:
        found.setdefault(row.stream, row.version - 1)
    return found


def sealed_in(batches: Sequence[int]) -> tuple[Checkpoint, dict[Tile, bytes]]:
    """The log after these batches, and all tiles, of which the sealer is given the edge only."""
    head, kept = empty(ORIGIN), dict[Tile, bytes]()
    for count in batches:
        some = rows(count, head.size)
        done = seal(head, Tiles({tile: kept[tile] for tile in edge(head.size)}), some, before(some))
        head = done.checkpoint
        kept |= done.tiles
    return head, kept


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_a_log_that_grows_is_the_log_that_is_made_at_once(batches: list[int]) -> None:
    head, kept = sealed_in(batches)
    once, tiles = sealed_in([sum(batches)])
    assert head == once
    assert head.root == root(leaf_hashes(row.raw for row in rows(sum(batches))))
    assert {tile: kept[tile] for tile in tiles} == tiles


COLUMNS = ("position", "source", "id", "stream", "version", "type", "case_id")


@given(st.integers(0, 11), st.sampled_from(COLUMNS), st.integers(1, 5))
def test_any_column_that_is_changed_is_noticed_with_its_position(at: int, column: str, by: int) -> None:
    some = rows(12)
    was = getattr(some[at], column)
    now: Any = was + by if isinstance(was, int) else f"{was}{by}"
    some[at] = some[at]._replace(**{column: now})
    with pytest.raises(Permanent) as caught:
        seal(empty(ORIGIN), Tiles({}), some, {})
    assert caught.value.reason_code == ("row_missing" if column == "position" else "row_disagrees")
    assert f"position {at}" in caught.value.message
    if column not in ("position", "source"):
        assert "written by observer" in caught.value.message


@given(st.integers(0, 11), st.data())
def test_bytes_that_are_changed_are_noticed_or_change_the_root(at: int, data: st.DataObject) -> None:
    some = rows(12)
    honest = seal(empty(ORIGIN), Tiles({}), some, {}).checkpoint
    raw = bytearray(some[at].raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    some[at] = some[at]._replace(raw=bytes(raw))
    try:
        forged = seal(empty(ORIGIN), Tiles({}), some, {}).checkpoint
    except Permanent as error:
        assert error.reason_code in ("row_disagrees", "row_unreadable")
    else:
        assert forged.root != honest.root


def test_a_row_that_is_left_out_or_comes_twice_is_noticed() -> None:
    some = rows(6)
    for wrong in ([*some[:2], *some[3:]], [*some[:3], some[2], *some[3:]], some[1:]):
        with pytest.raises(Permanent, match=r"row_missing: .* no row at position"):
            seal(empty(ORIGIN), Tiles({}), wrong, {})


def test_versions_follow_those_before_the_batch() -> None:
    head, kept = sealed_in([10])
    some = rows(5, 10)
    for versions in ({}, {stream: version + 1 for stream, version in before(some).items()}):
        with pytest.raises(Permanent, match="row_disagrees: position 10"):
            seal(head, Tiles({tile: kept[tile] for tile in edge(10)}), some, versions)


@given(st.integers(1, 600), st.data())
def test_nothing_is_sealed_on_tiles_that_do_not_give_the_signed_root(size: int, data: st.DataObject) -> None:
    head, kept = sealed_in([size])
    held = {tile: kept[tile] for tile in edge(size)}
    if not held:
        return
    tile = data.draw(st.sampled_from(sorted(held)))
    changed = bytearray(held[tile])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1
    some = rows(1, size)
    for edges in (held | {tile: bytes(changed)}, {place: raw for place, raw in held.items() if place != tile}):
        with pytest.raises(Permanent, match="tiles_inconsistent"):
            seal(head, Tiles(edges), some, before(some))


def notices_what_was_not_sealed() -> None:
    raws = [row.raw for row in rows(5)]
    held = b"".join(map(leaf_hash, raws))
    check_leaves(held, raws, 0)
    for wrong in ([*raws[:4], b"{}"], raws[:4], raws[1:], []):
        with pytest.raises(Permanent, match="sealed_event_changed"):
            check_leaves(held, wrong, 0)


def test_events_that_are_not_the_sealed_ones_are_noticed() -> None:
    notices_what_was_not_sealed()


def test_a_sealer_that_does_not_hash_the_events_again_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [leaf_hash(row.raw) for row in rows(5)]
    monkeypatch.setattr(sealing, "leaf_hashes", lambda raws: stored[: len(raws)])
    with pytest.raises(pytest.fail.Exception):
        notices_what_was_not_sealed()


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400, "1" * 5000, "1.5", "1e-400", "-0"])
def test_a_number_that_no_reader_holds_does_not_stop_sealing(number: str) -> None:
    row = one(1)
    assert row.raw.count(b'"data":{}') == 1
    row = row._replace(position=0, version=1, raw=row.raw.replace(b'"data":{}', b'"data":{"x":%b}' % number.encode()))
    honest = seal(empty(ORIGIN), Tiles({}), [row], {}).checkpoint
    assert honest.root == leaf_hash(row.raw)
    with pytest.raises(Permanent, match="row_disagrees"):
        seal(empty(ORIGIN), Tiles({}), [row._replace(id="x")], {})


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"x":NaN}', b'{"x":1e400,"y":NaN}']
)
def test_bytes_that_are_no_event_are_unreadable(raw: bytes) -> None:
    with pytest.raises(Permanent, match="row_unreadable: position 0, written by observer"):
        seal(empty(ORIGIN), Tiles({}), [rows(1)[0]._replace(raw=raw)], {})


EVIL = "<script>alert(1)</script>"
LINE = WitnessLine(name=EVIL, key=EVIL, url=EVIL, state="refusing", size=1, cosigned_at=EVIL, problem=EVIL)
STANDING = LogStanding(
    origin=EVIL,
    key=EVIL,
    quorum=EVIL,
    events=1,
    sealed=1,
    sealed_at=EVIL,
    cosigned=0,
    problems=[EVIL],
    witnesses=[LINE],
)


def test_the_page_escapes_what_others_wrote() -> None:
    text = page(STANDING)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 9


def test_the_metrics_escape_a_witness_s_name() -> None:
    line = LINE.model_copy(update={"name": 'a"\n#'})
    text = exposition(STANDING.model_copy(update={"witnesses": [line]}), None).decode()
    assert 'trueup_log_witness_state{state="refusing",witness="a\\"\\n#"} 1.0' in text.splitlines()
    assert "seconds_since" not in text


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="log_key_missing"):
        read_log_key(tmp_path / "log.key")
