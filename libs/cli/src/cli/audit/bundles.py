"""Bundles: checking one with all that Trueup knows, and writing one that an auditor sends."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from auditor.core import attestation, bundle
from auditor.core.checks.answer import Check
from auditor.core.verification import verified, verify
from common.directory import Directory
from common.errors import Refused
from common.service_keys import ServiceKeys
from transparency import bundles, verifying
from transparency.verifying import Trust, Verdict

_BEGINS, _ENDS = b"PK", b"PK\x05\x06"


@dataclass(frozen=True, slots=True)
class Found:
    """What came out. `attestation` is the bundle's, once everything around it holds."""

    checks: list[Check]
    exit_code: int
    attestation: bytes | None


def is_bundle(raw: bytes) -> bool:
    """Whether it is meant as a bundle: a zip file, also with something before it. No JSON looks like one."""
    return raw.startswith(_BEGINS) or _ENDS in raw


def check(
    raw: bytes, trust: Trust, directory: Directory | None, digest: str | None, service_keys: ServiceKeys | None
) -> Found:
    """The bundle's own checks; when they hold, those of its attestation and of the pages written from it.

    `service_keys` are those of `trust`, read: the statement is signed with one of them, and so are records.
    """
    verdict = verifying.verify(raw, trust)
    checks = [Check(item.name, item.ok, item.detail) for item in verdict.checks]
    if verdict.bundle is None or not verified(checks) or verdict.bundle.missing:
        return Found(checks, verdict.exit_code, None)
    files = verdict.bundle.files
    attested = files[bundles.ATTESTATION]
    inner = verify(attested, directory, digest, service_keys)
    checks += [Check(f"attestation_{item.name}", item.ok, item.detail) for item in inner]
    if verified(inner):
        checks.append(bundle.written_again(attestation.parse(attested), files))
    whole = Verdict(tuple(verifying.Check(item.name, item.ok, item.detail) for item in checks))
    return Found(checks, whole.exit_code, attested)


def save(parts: Iterable[bytes], out: Path) -> int:
    """Write the parts to a new file, which is there only when all of them are; how many bytes.

    Raises `Refused`: `file_exists`, `file_unwritable`, and what `parts` raises.
    """
    if out.exists():
        raise Refused("file_exists", f"{out} is there already", "Give another name, or move it away.")
    try:
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as part:
            try:
                for piece in parts:
                    part.write(piece)
                part.close()
                Path(part.name).rename(out)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    Path(part.name).unlink()
                raise
    except OSError as error:
        what = "Check the folder, and that you may write there."
        raise Refused("file_unwritable", f"{out} can't be written: {error.strerror or error}", what) from error
    return out.stat().st_size
