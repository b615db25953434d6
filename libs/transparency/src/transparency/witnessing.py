"""C2SP tlog-witness, without HTTP and storage: what a log asks, what a witness decides, what the log makes of it.

A witness looks up `request.checkpoint.origin`, asks `decide`, stores `answer.head` and only then answers. Looking up
and storing must be one transaction: two requests at once must not both continue from the same head.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from transparency.checkpoints import Checkpoint, read
from transparency.cosignatures import CosigningKey, WitnessKey
from transparency.errors import Malformed, Unverified
from transparency.merkle import EMPTY_ROOT, verify_consistency
from transparency.notes import MAX_NOTE_BYTES, Note, Signature, Verifier, parse_signatures, verified
from transparency.text import decode_hash, decode_utf8, encode_base64, parse_decimal

PATH = "add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
MAX_PROOF_LINES = 63
MAX_BODY_BYTES = MAX_NOTE_BYTES + 4_096
MAX_ANSWER_BYTES = 100_000


@dataclass(frozen=True)
class AddCheckpoint:
    """What a log asks: cosign this checkpoint, which continues the one of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def of(cls, old_size: int, proof: Iterable[bytes], checkpoint: bytes) -> AddCheckpoint:
        note = Note.parse(checkpoint)
        return cls(old_size, tuple(proof), note, read(note))

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """The request in a body. Raises `Malformed`, which is answered with `malformed`."""
        head, blank, note = decode_utf8(body, MAX_BODY_BYTES, "request").partition("\n\n")
        first, *lines = head.split("\n")
        if not blank or not first.startswith("old "):
            raise Malformed("request_invalid", "a request is an old size, a proof, a blank line and a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise Malformed("proof_too_long", f"a consistency proof has at most {MAX_PROOF_LINES} lines")
        proof = [decode_hash(line, "proof line") for line in lines]
        return cls.of(parse_decimal(first.removeprefix("old "), "old size"), proof, note.encode())

    def encode(self) -> bytes:
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note.encode()


@dataclass(frozen=True)
class Head:
    """The largest tree of a log that a witness cosigned."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True)
class KnownLog:
    """What a witness knows of a log: its keys, and where it stood."""

    origin: str
    keys: tuple[Verifier, ...]
    head: Head = Head()


@dataclass(frozen=True)
class Answer:
    """What a witness answers. Where there is a `head`, it must be stored durably before the answer is sent."""

    status: Literal[200, 400, 403, 404, 409, 422]
    body: str
    content_type: str = TEXT_TYPE
    head: Head | None = None


def malformed(error: Malformed) -> Answer:
    """The answer to a body that can't be read."""
    return Answer(400, f"{error}\n")


def decide(request: AddCheckpoint, log: KnownLog | None, key: CosigningKey, time_s: int) -> Answer:
    """The witness's answer at `time_s`; `log` is what it knows of `request.checkpoint.origin`, or None."""
    claimed = request.checkpoint
    if log is None or log.origin != claimed.origin:
        return Answer(404, "log_unknown: this witness knows no log of that origin\n")
    try:
        verified(request.note, log.keys)
    except Unverified as error:
        return Answer(403, f"{error}\n")
    if request.old_size > claimed.size:
        return Answer(400, "size_shrinks: the old size is larger than that of the checkpoint\n")
    known = log.head
    forked = request.old_size == claimed.size and claimed.root != known.root
    if request.old_size != known.size or forked:
        return Answer(409, f"{known.size}\n", SIZE_TYPE)
    try:
        verify_consistency(known.size, known.root, claimed.size, claimed.root, request.proof)
    except Unverified as error:
        return Answer(422, f"{error}\n")
    cosignature = key.cosign(claimed, time_s)
    return Answer(200, cosignature.line, head=Head(claimed.size, claimed.root))


@dataclass(frozen=True)
class Reply:
    """What a log makes of an answer.

    cosigned      `signatures` are the witness's, verified
    elsewhere     the witness has cosigned a tree of `size`, other than the old size: ask again from there; if that
                  is larger than any checkpoint this log has made, the log was rolled back
    inconsistent  the witness says that the checkpoint does not continue what it cosigned: the log was rewritten
    refused       anything else, with its status
    """

    kind: Literal["cosigned", "elsewhere", "inconsistent", "refused"]
    status: int
    signatures: tuple[Signature, ...] = ()
    size: int | None = None


def read_answer(request: AddCheckpoint, witness: WitnessKey, status: int, content_type: str, body: bytes) -> Reply:
    """What `witness` answered to `request`. Raises `Malformed`, or `Unverified` for a cosignature that is not its."""
    if status == 200:
        lines = decode_utf8(body, MAX_ANSWER_BYTES, "answer")
        signed = Note(request.note.text, parse_signatures(lines))
        return Reply("cosigned", status, verified(signed, [witness]))
    if status == 409 and content_type.partition(";")[0].strip() == SIZE_TYPE:
        text = decode_utf8(body, MAX_ANSWER_BYTES, "answer")
        size = parse_decimal(text.removesuffix("\n"), "witness's size")
        if size != request.old_size:
            return Reply("elsewhere", status, size=size)
        return Reply("inconsistent" if size == request.checkpoint.size else "refused", status, size=size)
    return Reply("inconsistent" if status == 422 else "refused", status)
