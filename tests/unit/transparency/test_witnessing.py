"""Cosignatures and witnesses: what litewitness answers to its published requests, and forks, rollbacks and races."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import merkle, notes, witnessing
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey, WitnessKey, cosigned_at
from transparency.errors import Malformed, TransparencyError, Unverified
from transparency.merkle import Leaves
from transparency.notes import Note, Signature, SigningKey, VerifierKey
from transparency.witnessing import AddCheckpoint, Answer, Head, KnownLog, decide

WITNESS = CosigningKey("witness.example/w1", bytes(range(1, 33)))
NOW = 1_679_315_147

# litewitness's own test: a log of invented roots, the requests, and the status of each answer.
SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = VerifierKey(SIGSUM, bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"))
FIRST = f"""old 0

{SIGSUM}
1
KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

— {SIGSUM} UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=
"""
SECOND = f"""old 1
KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

{SIGSUM}
3
RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=

— {SIGSUM} UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=
"""

LOG = SigningKey("log.example/findings", bytes(32))
TREE = Leaves(merkle.leaf_hashes(b"event %d" % number for number in range(100)))
FORK = Leaves([*TREE.hashes[:10], *merkle.leaf_hashes(b"other %d" % number for number in range(90))])
AT_20 = Head(20, merkle.root_of(TREE, 20))


def head(size: int, tree: Leaves = TREE) -> Head:
    return Head(size, merkle.root_of(tree, size))


def signed(size: int, tree: Leaves = TREE, key: SigningKey = LOG, origin: str = LOG.name) -> bytes:
    return notes.sign(Checkpoint(origin, size, head(size, tree).root).text, key)


def asked(old: int, size: int, tree: Leaves = TREE) -> AddCheckpoint:
    proof = merkle.prove_consistency(tree, old, size) if old <= size else ()
    return AddCheckpoint.of(old, proof, signed(size, tree))


def answered(request: AddCheckpoint | bytes, known: Head | None) -> Answer:
    """What the witness says, as it goes over the wire."""
    raw = request if isinstance(request, bytes) else request.encode()
    try:
        parsed = AddCheckpoint.parse(raw)
    except Malformed as error:
        return witnessing.malformed(error)
    log = None if known is None else KnownLog(LOG.name, (LOG.verifier,), known)
    return decide(parsed, log, WITNESS, NOW)


def test_the_published_requests_get_the_published_answers() -> None:
    def status(body: str, head: Head, origin: str = SIGSUM) -> int:
        request = AddCheckpoint.parse(body.encode())
        assert request.encode() == body.encode()
        known = KnownLog(SIGSUM, (SIGSUM_KEY,), head) if request.checkpoint.origin == origin else None
        return decide(request, known, WITNESS, NOW).status

    at_one = decide(AddCheckpoint.parse(FIRST.encode()), KnownLog(SIGSUM, (SIGSUM_KEY,)), WITNESS, NOW).head
    assert at_one == Head(1, b"\x2a" + bytes(31))
    assert status(SECOND.replace("6go=", "6gw="), at_one) == 403
    assert status(SECOND.replace("e562", "e563"), at_one) == 404
    lines = SECOND.split("\n")
    assert status("\n".join([lines[0], *lines[3:]]), at_one) == 422
    assert status(SECOND.replace("AAAAAAA=\n\n", "AAAAABA=\n\n"), at_one) == 422
    assert status(SECOND, at_one) == 200
    assert status(SECOND, Head(3, at_one.root)) == 409


@given(st.integers(0, 100), st.integers(0, 100))
def test_what_continues_the_known_tree_is_cosigned_and_remembered(one: int, other: int) -> None:
    old, size = sorted((one, other))
    request = asked(old, size)
    answer = answered(request, head(old))
    assert (answer.status, answer.head) == (200, head(size))
    reply = witnessing.read_answer(request, WITNESS.verifier, 200, answer.content_type, answer.body.encode())
    assert reply.kind == "cosigned"
    assert cosigned_at(reply.signatures[0]) == NOW
    cosigned = request.note.signed_also(reply.signatures)
    assert len(notes.verified(cosigned, [LOG.verifier, WITNESS.verifier])) == 2


@pytest.mark.parametrize(
    ("request_", "known", "status"),
    [
        (asked(20, 30), None, 404),
        (AddCheckpoint.of(20, (), signed(30, key=SigningKey(LOG.name, bytes(range(32))))), AT_20, 403),
        (AddCheckpoint.of(20, (), signed(30, origin="log.example/other")), AT_20, 404),
        (AddCheckpoint.of(30, (), signed(20)), head(30), 400),
        (asked(10, 30), AT_20, 409),
        (asked(0, 30), AT_20, 409),
        (asked(30, 30), AT_20, 409),
        (asked(20, 30, FORK), AT_20, 422),
        (asked(20, 20, FORK), AT_20, 409),
        (AddCheckpoint.of(20, (), signed(30)), AT_20, 422),
        (AddCheckpoint.of(20, (bytes(32),), signed(20)), AT_20, 422),
        (AddCheckpoint.of(0, (bytes(32),), signed(20)), Head(), 422),
    ],
)
def test_what_does_not_is_refused_and_changes_nothing(
    request_: AddCheckpoint, known: Head | None, status: int
) -> None:
    answer = answered(request_, known)
    assert (answer.status, answer.head) == (status, None)
    if status == 409:
        assert (answer.body, answer.content_type) == ("20\n", "text/x.tlog.size")
    else:
        assert WITNESS.name not in answer.body


def test_an_empty_log_has_the_empty_root() -> None:
    bad = AddCheckpoint.of(0, (), notes.sign(Checkpoint(LOG.name, 0, bytes(32)).text, LOG))
    assert answered(bad, Head()).status == 409
    assert answered(asked(0, 0), Head()).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        asked(20, 30).encode().replace(b"old 20", b"old 020"),
        asked(20, 30).encode().replace(b"old 20", b"old -1"),
        asked(20, 30).encode().replace(b"old 20", b"new 20"),
        asked(20, 30).encode().replace(b"old 20", b"old  20"),
        asked(20, 30).encode().replace(b"old 20\n", b"old 20\r\n"),
        asked(20, 30).encode().replace(b"=\n", b"\n", 1),
        asked(20, 30).encode().replace(b"\n\n", b"\n", 1),
        asked(20, 30).encode()[:-1],
        b"old 20\nAAAA\n\n" + signed(30),
        AddCheckpoint.of(20, (bytes(32),) * 64, signed(30)).encode(),
        b"old 20\n\n" + notes.sign("no checkpoint\n", LOG),
        b"old 20\n" + b"x" * 2_000_000,
        b"\xff" + asked(20, 30).encode(),
    ],
)
def test_what_is_no_request_is_answered_with_400(body: bytes) -> None:
    answer = answered(body, AT_20)
    assert (answer.status, answer.head) == (400, None)


def test_sixty_three_proof_lines_are_read() -> None:
    assert answered(AddCheckpoint.of(20, (bytes(32),) * 63, signed(30)), AT_20).status == 422


@pytest.mark.parametrize(
    ("status", "content_type", "body", "kind", "size"),
    [
        (409, "text/x.tlog.size", b"17\n", "elsewhere", 17),
        (409, "text/x.tlog.size; charset=utf-8", b"40\n", "elsewhere", 40),
        (409, "text/x.tlog.size", b"20\n", "refused", 20),
        (409, "text/plain", b"17\n", "refused", None),
        (422, "text/plain", b"bad consistency proof\n", "inconsistent", None),
        (403, "text/plain", b"invalid signature\n", "refused", None),
        (500, "", b"", "refused", None),
    ],
)
def test_what_a_log_makes_of_an_answer(
    status: int, content_type: str, body: bytes, kind: str, size: int | None
) -> None:
    reply = witnessing.read_answer(asked(20, 30), WITNESS.verifier, status, content_type, body)
    assert (reply.kind, reply.status, reply.size, reply.signatures) == (kind, status, size, ())


def test_a_fork_of_the_same_size_is_told_from_a_race() -> None:
    fork = asked(20, 20, FORK)
    answer = answered(fork, AT_20)
    reply = witnessing.read_answer(fork, WITNESS.verifier, 409, answer.content_type, answer.body.encode())
    assert reply.kind == "inconsistent"


@pytest.mark.parametrize("body", [b"", b"17", b"x\n", b"017\n", b"\xff", b"9" * 200_000])
def test_an_answer_that_cannot_be_read_is_an_error(body: bytes) -> None:
    with pytest.raises(TransparencyError):
        witnessing.read_answer(asked(20, 30), WITNESS.verifier, 200, "", body)
    if body != b"17":
        with pytest.raises(Malformed):
            witnessing.read_answer(asked(20, 30), WITNESS.verifier, 409, "text/x.tlog.size", body)


def test_a_cosignature_by_another_or_of_another_checkpoint_is_refused() -> None:
    request = asked(20, 30)
    stranger = CosigningKey(WITNESS.name, bytes(range(2, 34))).cosign(request.checkpoint, NOW)
    for line in (stranger.line, WITNESS.cosign(asked(20, 31).checkpoint, NOW).line):
        with pytest.raises(Unverified):
            witnessing.read_answer(request, WITNESS.verifier, 200, "", line.encode())


def test_a_cosignature_signs_its_time_and_the_whole_checkpoint() -> None:
    checkpoint = Checkpoint(LOG.name, 20, AT_20.root, ("extension 1", "extension 2"))
    cosignature = WITNESS.cosign(checkpoint, NOW)
    message = f"cosignature/v1\ntime {NOW}\n{checkpoint.text}".encode()
    assert notes.verify_ed25519(WITNESS.verifier.public, cosignature.raw[8:], message)
    for text in (checkpoint.text, checkpoint.text.replace("2\n", "X\n"), "no checkpoint\n"):
        assert WITNESS.verifier.verifies(text, cosignature.raw) == (text == checkpoint.text)
    later = (NOW + 1).to_bytes(8, "big") + cosignature.raw[8:]
    for raw in (later, cosignature.raw[8:], cosignature.raw + b"x", b"\xff" * 72):
        assert not WITNESS.verifier.verifies(checkpoint.text, raw)


def test_what_is_no_checkpoint_is_no_cosignature_s_message() -> None:
    raw = SigningKey(WITNESS.name, WITNESS.secret).sign(f"cosignature/v1\ntime {NOW}\nany text\n").raw
    assert not WITNESS.verifier.verifies("any text\n", NOW.to_bytes(8, "big") + raw)
    with pytest.raises(Malformed, match="cosignature_invalid"):
        cosigned_at(Signature(WITNESS.name, WITNESS.verifier.id, raw))


def test_a_log_s_signature_is_no_cosignature_even_with_the_same_key() -> None:
    both = SigningKey(WITNESS.name, WITNESS.secret)
    assert both.verifier.id != WITNESS.verifier.id
    text = asked(20, 30).checkpoint.text
    forged = Signature(WITNESS.name, WITNESS.verifier.id, both.sign(text).raw)
    with pytest.raises(Unverified):
        notes.verified(Note(text, (forged,)), [WITNESS.verifier])


def test_witness_keys_are_written_with_their_own_type() -> None:
    written = "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G"
    assert WitnessKey.parse(written).encode() == written
    assert CosigningKey.parse(WITNESS.encode()) == WITNESS
    assert "secret" not in repr(WITNESS)
    assert CosigningKey.generate("w").secret != CosigningKey.generate("w").secret
    for wrong in (LOG.verifier.encode(), WITNESS.encode()):
        with pytest.raises(Malformed):
            WitnessKey.parse(wrong)
    with pytest.raises(Malformed, match="key_type_unsupported"):
        CosigningKey.parse(LOG.encode())


@pytest.mark.parametrize("time_s", [-1, 2**63])
def test_a_time_is_bounded(time_s: int) -> None:
    with pytest.raises(Malformed, match="cosignature_time"):
        WITNESS.cosign(asked(20, 30).checkpoint, time_s)
    assert WITNESS.verifier.verifies(signed(1).decode(), (2**63).to_bytes(8, "big") + bytes(64)) is False
