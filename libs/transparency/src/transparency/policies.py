"""C2SP tlog-policy: which logs are accepted, and which witnesses must have cosigned.

A policy is trusted as it is, so it comes to the verifier by another way than what it judges. Names are opaque bytes;
they are kept as text that encodes to the same bytes (UTF-8, with `surrogateescape` for what is not).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from transparency.checkpoints import Checkpoint, read
from transparency.cosignatures import WitnessKey
from transparency.errors import Malformed, Unverified
from transparency.notes import Note, Signature, Verifier, VerifierKey, verified

MAX_POLICY_BYTES = 256 * 1024
MAX_DEFINITIONS = 768
NONE = "none"

_NOT_ALLOWED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True)
class Log:
    """A log whose checkpoints are accepted; its origin is the name of the key."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True)
class Witness:
    """A witness, under the name it has in this policy."""

    name: str
    key: WitnessKey
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """Witnesses a checkpoint when at least `threshold` of its members, which were defined before it, do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """A checkpoint that satisfies a policy: `signatures` are those that were verified, `witnesses` who cosigned."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]
    witnesses: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Immutable once read. Groups are in the order of their definition."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def parse(cls, raw: bytes) -> Policy:
        """The policy in a file. Raises `Malformed`, naming the line."""
        if len(raw) > MAX_POLICY_BYTES:
            raise Malformed("oversized", f"a policy has at most {MAX_POLICY_BYTES} bytes")
        if _NOT_ALLOWED.search(raw):
            raise Malformed("policy_invalid", "a policy holds no control character but tab and newline")
        reading = _Reading()
        for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), start=1):
            words = [word for word in re.split(r"[ \t]+", line) if word]
            if words and not words[0].startswith("#"):
                try:
                    reading.take(words)
                except Malformed as error:
                    raise Malformed(error.reason_code, f"line {number} of the policy: {error.message}") from error
        return reading.policy()

    @property
    def keys(self) -> tuple[Verifier, ...]:
        return (*(log.key for log in self.logs), *(witness.key for witness in self.witnesses))

    def cosigners(self, signatures: tuple[Signature, ...]) -> tuple[str, ...]:
        """The names of the witnesses by whom these verified signatures are."""
        by = {(signature.name, signature.key_id) for signature in signatures}
        return tuple(witness.name for witness in self.witnesses if (witness.key.name, witness.key.id) in by)

    def satisfied_by(self, cosigners: tuple[str, ...]) -> bool:
        """Whether these witnesses are a quorum."""
        reached = {NONE, *cosigners}
        for group in self.groups:
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return self.quorum in reached

    def accept(self, checkpoint: bytes) -> Accepted:
        """The checkpoint, when one of the logs signed it and a quorum of witnesses cosigned it.

        Raises `Malformed`, or `Unverified`: `log_not_signed`, `quorum_not_reached`, or as `notes.verified` does.
        """
        note = Note.parse(checkpoint)
        signatures = verified(note, self.keys)
        claimed = read(note)
        by = {(signature.name, signature.key_id) for signature in signatures}
        if not any(log.key.name == claimed.origin and (log.key.name, log.key.id) in by for log in self.logs):
            raise Unverified("log_not_signed", f"no log of the policy has signed this as {claimed.origin!r}")
        cosigners = self.cosigners(signatures)
        if not self.satisfied_by(cosigners):
            raise Unverified(
                "quorum_not_reached",
                f"the policy asks for {self.quorum!r}; cosigned by {', '.join(cosigners) or 'no witness'}",
            )
        return Accepted(claimed, signatures, cosigners)


@dataclass
class _Reading:
    """What the lines so far defined."""

    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    grouped: set[str] = field(default_factory=set)

    def take(self, words: list[str]) -> None:
        kinds: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if words[0] not in kinds:
            raise Malformed("policy_invalid", "a line begins with log, witness, group, quorum or #")
        if len(self.logs) + len(self.names) >= MAX_DEFINITIONS:
            raise Malformed("policy_too_large", f"a policy has at most {MAX_DEFINITIONS} definitions")
        kinds[words[0]](words[1:])

    def policy(self) -> Policy:
        if self.quorum is None:
            raise Malformed(
                "policy_invalid", "the policy has no quorum line; one without witnesses says: quorum none"
            )
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _log(self, words: list[str]) -> None:
        key, url = _with_url(words, 1, "log KEY [URL]")
        log = Log(VerifierKey.parse(key[0]), url)
        if any(log.key.public == other.key.public for other in self.logs):
            raise Malformed("policy_duplicate", "two logs have the same public key")
        self.logs.append(log)

    def _witness(self, words: list[str]) -> None:
        (name, key), url = _with_url(words, 2, "witness NAME KEY [URL]")
        witness = Witness(self._new(name), WitnessKey.parse(key), url)
        if any(witness.key.public == other.key.public for other in self.witnesses):
            raise Malformed("policy_duplicate", "two witnesses have the same public key")
        self.witnesses.append(witness)

    def _group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise Malformed("policy_invalid", "a group is written: group NAME all|any|NUMBER MEMBER...")
        name, written, *members = words
        for member in members:
            if member not in self.names:
                raise Malformed("policy_name_unknown", f"{member!r} is not defined on a line before")
            if member in self.grouped:
                raise Malformed("policy_duplicate", f"{member!r} is already a member of a group")
            self.grouped.add(member)
        self.groups.append(Group(self._new(name), _threshold(written, len(members)), tuple(members)))

    def _quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            raise Malformed("policy_invalid", "the quorum is written: quorum NAME")
        if self.quorum is not None:
            raise Malformed("policy_duplicate", "there is more than one quorum line")
        if words[0] != NONE and words[0] not in self.names:
            raise Malformed("policy_name_unknown", f"{words[0]!r} is not defined on a line before")
        self.quorum = words[0]

    def _new(self, name: str) -> str:
        if name == NONE or name in self.names:
            raise Malformed("policy_duplicate", f"{name!r} has a meaning already")
        self.names.add(name)
        return name


def _with_url(words: list[str], needed: int, usage: str) -> tuple[list[str], str | None]:
    if not needed <= len(words) <= needed + 1:
        raise Malformed("policy_invalid", f"this is written: {usage}")
    return words[:needed], words[needed] if len(words) > needed else None


def _threshold(written: str, members: int) -> int:
    if written in ("all", "any"):
        return members if written == "all" else 1
    if not _THRESHOLD.fullmatch(written) or int(written) > members:
        raise Malformed("policy_invalid", f"a threshold is all, any or a number from 1 to {members}")
    return int(written)
