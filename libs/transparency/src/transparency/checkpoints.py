"""C2SP tlog-checkpoint: the signed note that says how large a log is, and its root."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transparency.errors import Malformed, Unverified
from transparency.merkle import MAX_SIZE, check_hash
from transparency.notes import Note, Signature, Verifier, check_text, verified
from transparency.text import decode_hash, encode_base64, parse_decimal

MAX_TEXT_CHARACTERS = 100_000


@dataclass(frozen=True)
class Checkpoint:
    """The head of the log `origin`. Extension lines are opaque, and signed."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_hash(self.root)
        if not 0 <= self.size <= MAX_SIZE:
            raise Malformed("size_out_of_range", f"a tree size is between 0 and 2^63−1, not {self.size}")
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise Malformed("checkpoint_invalid", "origin and extensions are lines that are not empty")
        check_text(self.text)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in a note's text. Raises `Malformed`."""
        if len(text) > MAX_TEXT_CHARACTERS:
            raise Malformed("oversized", f"a checkpoint's text has at most {MAX_TEXT_CHARACTERS} characters")
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1]:
            raise Malformed("checkpoint_invalid", "a checkpoint has an origin, a size and a root, each on its line")
        origin, size, root, *extensions = lines[:-1]
        return cls(origin, parse_decimal(size, "tree size"), decode_hash(root, "root"), tuple(extensions))

    @property
    def text(self) -> str:
        """What is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, encode_base64(self.root), *self.extensions))


@dataclass(frozen=True)
class Opened:
    """A checkpoint and the signatures on it that were verified, one a key."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]


def read(note: Note) -> Checkpoint:
    """What an unverified note claims."""
    return Checkpoint.parse(note.text)


def opened(raw: bytes, origin: str, keys: Iterable[Verifier]) -> Opened:
    """The checkpoint of the log `origin`, signed by at least one of these keys.

    Raises `Malformed`, or `Unverified` when it is another log's or a signature is absent or wrong.
    """
    note = Note.parse(raw)
    signatures = verified(note, keys)
    checkpoint = read(note)
    if checkpoint.origin != origin:
        raise Unverified("origin_unexpected", f"the checkpoint is of the log {checkpoint.origin!r}, not {origin!r}")
    return Opened(checkpoint, signatures)
