"""tlog-tiles: the layout as specified, and proofs from tiles alone that equal those from the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import merkle, tiles
from transparency.errors import Malformed, TransparencyError, Unanswerable
from transparency.merkle import Frontier, Leaves
from transparency.tiles import Bundle, Tile, TiledTree, Tiles, parse_path

ALL = Leaves(merkle.leaf_hashes(b"leaf %d" % number for number in range(700)))
LARGE = 70_000


def stored(*batches: int, leaves: Sequence[bytes] = ALL.hashes) -> dict[Tile, bytes]:
    """The tiles of a log that grew by these batches; each time only what `grow` needs is left of the old edge."""
    held: dict[Tile, bytes] = {}
    size = 0
    for count in batches:
        fresh = tiles.grow(Tiles({tile: held[tile] for tile in tiles.edge(size)}), size, leaves[size : size + count])
        assert not fresh.keys() & held.keys(), "what is stored is never written again"
        held |= fresh
        size += count
    return held


@pytest.fixture(scope="module")
def large() -> dict[Tile, bytes]:
    return stored(LARGE, leaves=[merkle.leaf_hash(b"%d" % number) for number in range(LARGE)])


def test_the_specification_s_example_of_70_000_entries(large: dict[Tile, bytes]) -> None:
    assert [tile for tile in large if tile.level == 0 and tile.width == 256] == [Tile(0, n) for n in range(273)]
    rest = [tile for tile in large if tile.level or tile.width < 256]
    assert rest == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert tiles.edge(LARGE) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


def test_the_specification_s_example_of_256_entries() -> None:
    assert sorted(stored(256)) == [Tile(0, 0), Tile(1, 0, 1)]


@pytest.mark.parametrize(
    ("size", "edge"), [(0, []), (256, [Tile(1, 0, 1)]), (512, [Tile(1, 0, 2)]), (65_536, [Tile(2, 0, 1)])]
)
def test_a_tree_of_full_tiles_has_no_empty_one_at_its_edge(size: int, edge: list[Tile]) -> None:
    assert tiles.edge(size) == edge


def test_a_log_grows_past_a_full_tile() -> None:
    assert stored(256, 256, 1) == stored(513) | {Tile(1, 0, 1): stored(256)[Tile(1, 0, 1)]}


def test_a_tile_s_hashes_are_those_of_the_full_tiles_below(large: dict[Tile, bytes]) -> None:
    below = large[Tile(0, 5)]
    assert large[Tile(1, 0)][5 * 32 : 6 * 32] == merkle.root([below[at : at + 32] for at in range(0, 8192, 32)])
    assert all(len(held) == tile.bytes_long for tile, held in large.items())


@pytest.mark.parametrize(
    ("named", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 1067, 1), "tile/1/x001/067.p/1"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Bundle("entries", 1234067), "tile/entries/x001/x234/067"),
        (Bundle("entries", 0, 17), "tile/entries/000.p/17"),
        (Bundle("entries32", 1000), "tile/entries32/x001/000"),
    ],
)
def test_paths_are_written_as_specified_and_read_back(named: Tile | Bundle, path: str) -> None:
    assert named.path == path
    assert parse_path(path) == named


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/x234",
        "tile/0/001/234",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/entries/x000/001",
        "tile/entries64/000",
        "tile/8/0/000",
        "tile/0/" + "x999/" * 6 + "999",
        "tile/entries/" + "x999/" * 6 + "999",
        "tile/0/" + "x001/" * 9000 + "999",
    ],
)
def test_no_other_path_names_a_tile(path: str) -> None:
    with pytest.raises(Malformed):
        parse_path(path)


@given(st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_has_one_path(level: int, index: int, width: int) -> None:
    assert parse_path(Tile(level, index, width).path) == Tile(level, index, width)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_a_log_that_grows_has_the_tiles_of_one_made_at_once(batches: list[int]) -> None:
    sizes = [min(size, ALL.size) for size in accumulate(batches)]
    steps = [after - before for before, after in zip([0, *sizes], sizes, strict=False)]
    grown, whole = stored(*steps), stored(sizes[-1])
    assert {tile: grown[tile] for tile in whole} == whole
    assert set(tiles.edge(sizes[-1])) <= whole.keys()


@given(st.integers(1, ALL.size), st.data())
def test_proofs_from_tiles_are_those_from_the_leaves_for_any_size(size: int, data: st.DataObject) -> None:
    held = stored(size)
    part = data.draw(st.integers(1, size))
    old = data.draw(st.integers(0, part))
    index = data.draw(st.integers(0, part - 1))

    def only(named: list[Tile]) -> TiledTree:
        return TiledTree(Tiles({tile: held[tile] for tile in named}), size)

    assert merkle.frontier_of(only(tiles.tiles_for_root(part, size)), part) == merkle.frontier_of(ALL, part)
    inclusion = merkle.prove_inclusion(only(tiles.tiles_for_inclusion(index, part, size)), index, part)
    assert inclusion == merkle.prove_inclusion(ALL, index, part)
    consistency = merkle.prove_consistency(only(tiles.tiles_for_consistency(old, part, size)), old, part)
    assert consistency == merkle.prove_consistency(ALL, old, part)


@given(st.data())
def test_proofs_from_three_levels_of_tiles_verify(large: dict[Tile, bytes], data: st.DataObject) -> None:
    tree = TiledTree(Tiles(large), LARGE)
    size = data.draw(st.integers(1, LARGE))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root = merkle.root_of(tree, size)
    leaf = merkle.leaf_hash(b"%d" % index)
    merkle.verify_inclusion(leaf, index, size, root, merkle.prove_inclusion(tree, index, size))
    consistency = merkle.prove_consistency(tree, old, size)
    merkle.verify_consistency(old, merkle.root_of(tree, old), size, root, consistency)


@pytest.mark.law
def test_the_root_from_tiles_is_that_of_the_growing_head(large: dict[Tile, bytes]) -> None:
    head = Frontier().append([merkle.leaf_hash(b"%d" % number) for number in range(LARGE)])
    assert merkle.frontier_of(TiledTree(Tiles(large), LARGE), LARGE) == head


def test_a_tile_that_is_not_there_or_of_another_length_is_named() -> None:
    held = stored(300)
    with pytest.raises(Unanswerable, match=r"tile/0/001.p/44"):
        merkle.root_of(TiledTree(Tiles({Tile(0, 0): held[Tile(0, 0)], Tile(1, 0, 1): held[Tile(1, 0, 1)]}), 300), 300)
    with pytest.raises(Unanswerable, match="tile_missing"):
        tiles.grow(Tiles({}), 300, ALL.hashes[300:301])
    for torn in (held[Tile(0, 1, 44)][:-32], held[Tile(0, 1, 44)] + b"x", held[Tile(0, 0)] * 2):
        with pytest.raises(Malformed, match="tile_length"):
            merkle.root_of(TiledTree(Tiles(held | {Tile(0, 1, 44): torn}), 300), 300)


def test_a_full_tile_stands_in_for_a_partial_one_that_was_deleted() -> None:
    grown = {tile: held for tile, held in stored(300, 300).items() if tile != Tile(0, 1, 44)}
    assert merkle.root_of(TiledTree(Tiles(grown), 300), 300) == merkle.root(ALL.hashes[:300])


def test_the_tree_keeps_a_bounded_number_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MAX_CACHED_TILES", 2)
    tree = TiledTree(Tiles(stored(700)), 700)
    assert [tree.subtree(0, index) for index in range(700)] == list(ALL.hashes)
    assert len(tree._kept) <= 2


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: Tile(0, 0, 0), "tile_invalid"),
        (lambda: Tile(0, 0, 257), "tile_invalid"),
        (lambda: Tile(64, 0), "tile_invalid"),
        (lambda: Bundle("entries", 2**63), "tile_invalid"),
        (lambda: TiledTree(Tiles({}), 2**63), "size_out_of_range"),
        (lambda: TiledTree(Tiles({}), 5).subtree(0, 5), "size_beyond_tree"),
        (lambda: TiledTree(Tiles({}), 300).subtree(8, 1), "size_beyond_tree"),
        (lambda: tiles.grow(Tiles({}), 2**63 - 1, [b"x" * 32]), "size_out_of_range"),
    ],
)
def test_what_cannot_be_is_refused(ask: object, code: str) -> None:
    assert callable(ask)
    with pytest.raises(TransparencyError) as refused:
        ask()
    assert refused.value.reason_code == code


@given(st.integers(0, 599), st.integers(0, 599))
def test_what_is_remembered_of_a_tile_is_never_taken_for_another_at_its_place(changed: int, asked: int) -> None:
    """Two logs of one size: every tile of the one stands where the other has one, and those above differ."""
    ours = list(ALL.hashes[:600])
    theirs = [*ours[:changed], merkle.leaf_hash(b"another"), *ours[changed + 1 :]]
    for leaves in (ours, theirs, ours):
        tree = TiledTree(Tiles(stored(600, leaves=leaves)), 600)
        assert merkle.prove_inclusion(tree, asked, 600) == merkle.prove_inclusion(Leaves(leaves), asked, 600)
