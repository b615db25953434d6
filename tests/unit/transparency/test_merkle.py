"""RFC 6962 as published, and as laws: every proof verifies, and nothing but that proof does."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import merkle
from transparency.errors import Malformed, TransparencyError, Unanswerable, Unverified
from transparency.merkle import Frontier, Leaves

# The reference inputs of the Certificate Transparency project, and the roots over the first 0 to 8 of them.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
REFERENCE = Leaves(merkle.leaf_hashes(bytes.fromhex(written) for written in INPUTS))
SOME = sha256(b"some other hash").digest()

MANY = Leaves(merkle.leaf_hashes(b"leaf %d" % number for number in range(300)))
HEADS = [Frontier()]
for _leaf in MANY.hashes:
    HEADS.append(HEADS[-1].append([_leaf]))

sizes = st.integers(1, MANY.size)


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    """A leaf, and the size of a tree that holds it."""
    size = draw(sizes)
    return draw(st.integers(0, size - 1)), size


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int]:
    """Two sizes, the smaller one first."""
    size = draw(sizes)
    return draw(st.integers(1, size)), size


def test_the_published_hashes_of_leaves_and_nodes() -> None:
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    node = merkle.node_hash(b"N123", b"N456").hex()
    assert node == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots(size: int) -> None:
    assert merkle.root(REFERENCE.hashes[:size]).hex() == ROOTS[size]
    assert merkle.root_of(REFERENCE, size).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_published_inclusion_proofs(index: int, size: int) -> None:
    proof = merkle.prove_inclusion(REFERENCE, index, size)
    assert [step.hex() for step in proof] == INCLUSION[index, size]
    merkle.verify_inclusion(REFERENCE.hashes[index], index, size, bytes.fromhex(ROOTS[size]), proof)


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_the_published_consistency_proofs(old: int, size: int) -> None:
    proof = merkle.prove_consistency(REFERENCE, old, size)
    assert [step.hex() for step in proof] == CONSISTENCY[old, size]
    merkle.verify_consistency(old, bytes.fromhex(ROOTS[old]), size, bytes.fromhex(ROOTS[size]), proof)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


@given(st.lists(st.integers(0, 40), max_size=8))
def test_a_head_that_grows_is_the_head_made_at_once(batches: list[int]) -> None:
    head, done = Frontier(), 0
    for count in batches:
        head = head.append(MANY.hashes[done : done + count])
        done = min(done + count, MANY.size)
        assert head == HEADS[done] == merkle.frontier_of(MANY, done)
        assert head.root == naive_root(list(MANY.hashes[:done])) == merkle.root(MANY.hashes[:done])


@given(places())
def test_every_inclusion_proof_verifies(place: tuple[int, int]) -> None:
    index, size = place
    proof = merkle.prove_inclusion(MANY, index, size)
    merkle.verify_inclusion(MANY.hashes[index], index, size, HEADS[size].root, proof)


@given(pairs())
def test_every_consistency_proof_verifies(pair: tuple[int, int]) -> None:
    old, size = pair
    proof = merkle.prove_consistency(MANY, old, size)
    merkle.verify_consistency(old, HEADS[old].root, size, HEADS[size].root, proof)


def spoilt(proof: tuple[bytes, ...], data: st.DataObject) -> list[tuple[bytes, ...]]:
    """Proofs that are nearly this one."""
    found = [(*proof, SOME), (SOME, *proof), (*proof, b"")]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
        found += [
            proof[:at] + proof[at + 1 :],
            (*proof[:at], flipped, *proof[at + 1 :]),
            (*proof[:at], proof[at][:-1], *proof[at + 1 :]),
        ]
    if len(proof) > 1:
        found.append((proof[1], proof[0], *proof[2:]))
    return [each for each in found if each != proof]


@given(places(), st.data())
def test_no_other_inclusion_verifies(place: tuple[int, int], data: st.DataObject) -> None:
    index, size = place
    leaf, root, proof = MANY.hashes[index], HEADS[size].root, merkle.prove_inclusion(MANY, index, size)
    other = data.draw(sizes.filter(lambda other: HEADS[other].root != root))
    claims = [(leaf, index, size, root, bad) for bad in spoilt(proof, data)]
    claims += [(SOME, index, size, root, proof), (leaf, index, size, SOME, proof)]
    claims += [(leaf, index, size, HEADS[other].root, proof), (leaf, index, size, root[:-1], proof)]
    claims += [(leaf, wrong, size, root, proof) for wrong in {index - 1, index + 1, index ^ 2, size, -1}]
    for claim in claims:
        with pytest.raises((Unverified, Malformed)):
            merkle.verify_inclusion(*claim)
    for beyond in (size, -1):
        with pytest.raises(Unverified, match="index_beyond_tree"):
            merkle.verify_inclusion(leaf, beyond, size, root, proof)


@given(pairs(), st.data())
def test_no_other_consistency_verifies(pair: tuple[int, int], data: st.DataObject) -> None:
    old, size = pair
    was, now, proof = HEADS[old].root, HEADS[size].root, merkle.prove_consistency(MANY, old, size)
    claims = [(old, was, size, now, bad) for bad in spoilt(proof, data)]
    claims += [(old, SOME, size, now, proof), (old, was, size, SOME, proof), (-1, was, size, now, proof)]
    claims += [(wrong, was, size, now, proof) for wrong in {old - 1, old + 1, size + 1} if wrong != old]
    if old != size:
        claims += [(old, now, size, was, proof), (size, was, old, now, proof), (size, was, size, now, ())]
    for claim in claims:
        with pytest.raises((Unverified, Malformed)):
            merkle.verify_consistency(*claim)


@given(places(), st.integers(1, 400))
def test_a_proof_of_another_size_does_not_verify_unless_it_is_the_same_proof(
    place: tuple[int, int], other: int
) -> None:
    """The size decides only which hash stands on which side; where that is the same, so is the claim."""
    index, size = place
    proof = merkle.prove_inclusion(MANY, index, size)
    shape = merkle.inclusion_ranges(index, size)
    if index < other and [low < index for low, _ in merkle.inclusion_ranges(index, other)] == [
        low < index for low, _ in shape
    ]:
        return
    with pytest.raises(Unverified):
        merkle.verify_inclusion(MANY.hashes[index], index, other, HEADS[size].root, proof)


def test_from_nothing_only_the_empty_tree_is_consistent() -> None:
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, HEADS[5].root, ())
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, ())
    for claim in [(0, SOME, 5, HEADS[5].root, ()), (0, merkle.EMPTY_ROOT, 5, HEADS[5].root, (SOME,))]:
        with pytest.raises(Unverified):
            merkle.verify_consistency(*claim)


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = MANY.hashes[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right) != merkle.node_hash(right, left)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: merkle.prove_inclusion(MANY, 5, 5), "index_beyond_tree"),
        (lambda: merkle.prove_inclusion(MANY, -1, 5), "index_beyond_tree"),
        (lambda: merkle.prove_inclusion(MANY, 0, 301), "size_beyond_tree"),
        (lambda: merkle.prove_consistency(MANY, 6, 5), "size_beyond_tree"),
        (lambda: merkle.root_of(MANY, -1), "size_beyond_tree"),
        (lambda: Frontier(3, (SOME,)), "frontier_invalid"),
        (lambda: Frontier(1, (b"short",)), "hash_length"),
        (lambda: Frontier(2**63, (SOME,)), "size_out_of_range"),
        (lambda: merkle.verify_inclusion(SOME, 0, 2**63, SOME, ()), "size_out_of_range"),
    ],
)
def test_what_is_beyond_the_tree_is_refused(ask: object, code: str) -> None:
    assert callable(ask)
    with pytest.raises(TransparencyError) as refused:
        ask()
    assert refused.value.reason_code == code
    assert isinstance(refused.value, (Unanswerable, Malformed))


def test_a_tree_near_the_largest_size_is_verified_in_63_steps() -> None:
    size = 2**63 - 1
    path = (SOME,) * 62
    with pytest.raises(Unverified, match="inclusion_not_proven"):
        merkle.verify_inclusion(SOME, size - 1, size, SOME, path)
    with pytest.raises(Unverified, match="proof_length"):
        merkle.verify_inclusion(SOME, 0, size, SOME, path)
