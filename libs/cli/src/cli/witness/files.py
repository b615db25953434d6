"""The files of a witness, in a folder of its own: `witness.key` (0600), `logs`, `heads.sqlite`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.errors import Refused
from transparency.cosignatures import CosigningKey
from transparency.errors import Malformed
from transparency.notes import VerifierKey

from cli.stack.secretfiles import write_private

KEY, LOGS, HEADS = "witness.key", "logs", "heads.sqlite"
MAX_LOGS_BYTES = 1_000_000
_LOGS = """\
# Logs that this witness knows: one verifier key (name+id+base64) a line. A log may have several. Start the witness
# again after a change.
"""


def make(folder: Path, name: str) -> CosigningKey:
    """The witness's key, made with that name when there is none, beside an empty list of logs.

    Raises `Refused`: `witness_name` for a name that no key can have, `witness_named` when the key has another.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / KEY).exists():
        try:
            made = CosigningKey.generate(name)
        except Malformed as error:
            raise Refused("witness_name", error.message, "Give it a name like example.org/witness.") from error
        write_private(folder / KEY, made.encode() + "\n")
    if not (folder / LOGS).exists():
        (folder / LOGS).write_text(_LOGS, "utf-8")
    key = read_key(folder)
    if key.name != name:
        raise Refused(
            "witness_named",
            f"the witness in {folder} has the name {key.name}, not {name}; cosignatures carry it",
            "Use that name, or another folder.",
        )
    return key


def read_key(folder: Path) -> CosigningKey:
    """Raises `Refused`: `witness_missing`, `witness_key_exposed`, `witness_key_invalid`."""
    path = folder / KEY
    try:
        written = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("witness_missing", f"{path} can't be read: {error}", "Make one: trueup witness init") from error
    if path.stat().st_mode & 0o077:
        raise Refused("witness_key_exposed", f"others may read {path}", f"Take that away: chmod 600 {path}")
    try:
        return CosigningKey.parse(written.strip())
    except Malformed as error:
        raise Refused(
            "witness_key_invalid", f"{path} holds no witness key: {error.message}", "Restore it."
        ) from error


def read_logs(folder: Path) -> Mapping[str, tuple[VerifierKey, ...]]:
    """The keys of each known log, by origin. Raises `Refused` (`witness_logs_invalid`), naming the line."""
    path = folder / LOGS
    try:
        with path.open("rb") as file:
            text = file.read(MAX_LOGS_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            "witness_logs_invalid", f"{path} can't be read: {error}", "trueup witness init makes it"
        ) from error
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        try:
            key = VerifierKey.parse(written)
        except Malformed as error:
            what = f"line {number} of {path}: {error.message}"
            raise Refused("witness_logs_invalid", what, "A line is the key that the log prints.") from error
        found[key.name] = (*found.get(key.name, ()), key)
    return found
