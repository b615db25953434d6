"""C2SP tlog-proof@v1: a record's place in a log, the proof of it and the signed checkpoint, in one text.

With the record's bytes and a policy it needs nothing else, today or in ten years.
"""

from __future__ import annotations

from dataclasses import dataclass

from transparency.errors import Malformed
from transparency.merkle import MAX_SIZE, check_hash, leaf_hash, verify_inclusion
from transparency.notes import MAX_NOTE_BYTES
from transparency.policies import Accepted, Policy
from transparency.text import decode_base64, decode_hash, decode_utf8, encode_base64, parse_decimal

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
MAX_HASHES = 63
MAX_EXTRA_BYTES = 100_000
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES


@dataclass(frozen=True)
class Proof:
    """That a record is entry `index` of the log whose signed checkpoint is `checkpoint`, if it verifies.

    `extra` is nobody's word: no signature covers it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_SIZE or len(self.hashes) > MAX_HASHES:
            raise Malformed("proof_invalid", f"an index is at least 0, and a proof has at most {MAX_HASHES} hashes")
        if len(self.extra or b"") > MAX_EXTRA_BYTES:
            raise Malformed("oversized", f"extra data have at most {MAX_EXTRA_BYTES} bytes")
        for step in self.hashes:
            check_hash(step)

    @classmethod
    def parse(cls, raw: bytes) -> Proof:
        """The proof in a file. Raises `Malformed`. The checkpoint is read when it is verified."""
        head, blank, checkpoint = decode_utf8(raw, MAX_PROOF_BYTES, "proof").partition("\n\n")
        lines = head.split("\n")
        if not blank or lines[0] != HEADER:
            raise Malformed("proof_invalid", f"a proof begins with the line {HEADER} and holds a blank line")
        extra = decode_base64(lines.pop(1)[6:], "extra data") if lines[1:] and lines[1][:6] == "extra " else None
        if len(lines) < 2 or not lines[1].startswith("index "):
            raise Malformed("proof_invalid", "a proof names the record's place: index NUMBER")
        if len(lines) > 2 + MAX_HASHES:
            raise Malformed("proof_invalid", f"a proof has at most {MAX_HASHES} hashes")
        index = parse_decimal(lines[1].removeprefix("index "), "index")
        hashes = tuple(decode_hash(line, "proof line") for line in lines[2:])
        return cls(index, hashes, checkpoint.encode(), extra)

    def encode(self) -> bytes:
        lines = [HEADER, f"index {self.index}", *map(encode_base64, self.hashes), "", ""]
        if self.extra is not None:
            lines.insert(1, f"extra {encode_base64(self.extra)}")
        return "\n".join(lines).encode() + self.checkpoint

    def verify(self, record: bytes, policy: Policy) -> Accepted:
        """The accepted checkpoint that the record is under. Raises `Malformed` or `Unverified`."""
        accepted = policy.accept(self.checkpoint)
        self.verify_under(accepted, record)
        return accepted

    def verify_under(self, accepted: Accepted, record: bytes) -> None:
        """Raise unless this proves the record to be under `accepted`, whatever the proof's own checkpoint is.

        For many proofs under one checkpoint, whose signatures then need checking once.
        """
        head = accepted.checkpoint
        verify_inclusion(leaf_hash(record), self.index, head.size, head.root, self.hashes)
