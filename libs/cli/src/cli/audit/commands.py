"""`trueup audit verify FILE`, `trueup audit export --case CASE --out FILE.zip` and `trueup audit show CASE`.

Exit codes of verify: 0 verified, 1 something does not hold, 2 it could not be checked (a file can't be read, the
auditor does not answer, nothing says whom to trust for a bundle). Of the others: 0 done, 2 it could not be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from auditor.core.attestation import MARK, MAX_BYTES, parse
from auditor.core.verification import Check, verified, verify
from common.directory import Directory
from common.errors import Permanent, Refused, TrueupError
from common.in_words import in_words
from common.service_keys import ServiceKeys
from pydantic import ValidationError
from rich.text import Text
from transparency import archives
from transparency.verifying import Trust

from cli.audit import bundles, service
from cli.audit.comparing import compare
from cli.audit.page import checks_table
from cli.people.screen import As, Json, clean, console, print_json
from cli.refusals import refusal
from cli.stack.state import find_url

T = TypeVar("T")
EXIT_FAILED = 1
EXIT_COULD_NOT = 2

app = typer.Typer(
    name="audit",
    add_completion=False,
    no_args_is_help=True,
    help="Verify an attestation or a bundle, export a case, or show its records.",
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The attestation, or the bundle (.zip).")]
Trusted = Annotated[
    Path | None,
    typer.Option("--directory", metavar="FILE", help="Your own copy of the directory: whose keys these must be."),
]
Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="For a bundle: the tlog-policy that you trust, got another way than it."
    ),
]
TrustedKeys = Annotated[
    Path | None,
    typer.Option("--service-keys", metavar="FILE", help="Your own copy of the services' keys."),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="URL", help="Also compare with this auditor and its ledger (needs a login)."),
]
Digest = Annotated[
    str | None, typer.Option("--digest", metavar="SHA256", help="The digest that you were given another way.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="The auditor; else the stack that runs here.", envvar="TRUEUP_AUDITOR_URL"
    ),
]


@app.command("verify")
def verify_command(  # noqa: PLR0913, PLR0917 - each is an option
    file: File,
    policy: Policy = None,
    service_keys: TrustedKeys = None,
    directory: Trusted = None,
    against: Against = None,
    digest: Digest = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Check an attestation, or a bundle: bytes, records, signatures, both gates, proof and soak. Needs no network.

    A bundle also has proofs that its records are in the witnessed log; --policy says whom you trust for that.
    Exit code 0: verified. 1: something does not hold. 2: it could not be checked.
    """
    try:
        raw = _read(file, archives.MAX_BYTES)
        if bundles.is_bundle(raw):
            trust = Trust(_given(policy), _given(service_keys))
            people, keys = trusted_directory(directory), trusted_keys(service_keys)
            found = bundles.check(raw, trust, people, digest, keys)
            checks, code, attested = found.checks, found.exit_code, found.attestation
        else:
            _recognised(file, raw)
            checks = verify(raw, trusted_directory(directory), digest, trusted_keys(service_keys))
            code, attested = (0 if verified(checks) else EXIT_FAILED), raw
        if against is not None and attested is not None and code == 0:
            with service.Auditor(against, service.token(as_person)) as auditor:
                checks += compare(attested, auditor)
            code = code if verified(checks) else EXIT_FAILED
    except TrueupError as error:
        _could_not(error, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        told = {0: True, EXIT_FAILED: False}.get(code)
        print_json({"verified": told, "checks": [_json(check) for check in checks]})
    else:
        _print(checks)
        _conclude(file, attested, checks, code, against is not None)
    if code:
        raise typer.Exit(code)


def _recognised(file: Path, raw: bytes) -> None:
    """Raises `Refused` (`no_attestation`) for a file that nothing can be asked about: not for a damaged attestation,
    which does not hold."""
    try:
        parse(raw)
    except Permanent as error:
        if error.reason_code == "no_attestation" and MARK not in raw:
            what = "Give an attestation (JSON) or a bundle (.zip) as you got it; if this is it, get it again."
            raise Refused(error.reason_code, f"{file} can't be checked: {error.message}", what) from error


def _given(file: Path | None) -> bytes | None:
    return None if file is None else _read(file, MAX_BYTES)


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        what = "Check the path, and that you may read it."
        raise Refused("file_unreadable", f"{file} can't be read: {error.strerror or error}", what) from error
    return raw


def trusted_directory(file: Path | None) -> Directory | None:
    """The people in this file, None when none is given. Raises `Refused` (`directory_unreadable`)."""
    return None if file is None else _own_copy(file, Directory.read, "directory", "a directory of people")


def trusted_keys(file: Path | None) -> ServiceKeys | None:
    """The services' keys in this file, None when none is given. Raises `Refused` (`service_keys_unreadable`)."""
    return None if file is None else _own_copy(file, ServiceKeys.read, "service-keys", "a list of service keys")


def _own_copy(file: Path, read: Callable[[Path], T], name: str, kind: str) -> T:
    try:
        return read(file)
    except (OSError, ValidationError, Permanent) as error:
        what = f"Give a {name}.json, as the services have it."
        raise Refused(
            f"{name.replace('-', '_')}_unreadable", f"{file} is not {kind}: {in_words(error)}", what
        ) from error


def _could_not(error: TrueupError, as_json: bool, what_failed: str = "Not checked") -> None:
    told = refusal(error)
    if as_json:
        print_json({"verified": None, **told})
        return
    sys.stderr.write(f"{what_failed}: {clean(error.message)}\n{clean(told['what_to_do'])}\n")


def _json(check: Check) -> dict[str, object]:
    return {"name": check.name, "ok": check.ok, "detail": check.detail}


def _print(checks: Sequence[Check]) -> None:
    console().print(checks_table(checks))


def _conclude(file: Path, attested: bytes | None, checks: Sequence[Check], code: int, compared: bool) -> None:
    screen = console()
    failed = [check for check in checks if check.ok is False]
    if failed:
        names = ", ".join(check.name.replace("_", " ") for check in failed)
        screen.print(Text(f"\nNOT VERIFIED: {names}. Do not rely on {file.name}.", "bold red"))
        return
    if code or attested is None:
        names = ", ".join(check.name.replace("_", " ") for check in checks if check.ok is None)
        screen.print(
            Text(f"\nNOT VERIFIED: it could not be checked, or only against itself: {names}.", "bold yellow")
        )
        return
    told = parse(attested).head
    passed = sum(check.ok is True for check in checks)
    screen.print(
        Text(f"\nVERIFIED: case {told['case']}, issued {told['issued']}. {passed} checks hold.", "bold green")
    )
    if told["simulated"]:
        screen.print(
            Text("It is labelled as simulated: people or observations were made up for a demonstration.", "yellow")
        )
    limits = []
    if any(check.name.endswith("directory") and check.ok is None for check in checks):
        limits.append("that the keys are really these people's (--directory FILE)")
    if any(check.name.endswith("service_keys") and check.ok is None for check in checks):
        limits.append("that the services' keys are really theirs (--service-keys FILE)")
    if not compared and not any(check.name == "inclusion" for check in checks):
        limits.append("that the records nobody signs are those of the ledger (--against URL)")
    if limits:
        screen.print(Text(f"The file alone does not show: {'; '.join(limits)}."))


@app.command("export")
def export_command(
    case: Annotated[str, typer.Option("--case", metavar="CASE", help="An attested case, or its entity's key.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="Where to write the bundle.")],
    url: Address = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Everything about an attested case in one zip file for an examiner: narrative, records, proofs, tables.

    Exit code 0: written. 2: it could not be.
    """
    try:
        with service.Auditor(url or find_url("auditor"), service.token(as_person)) as auditor:
            name = _case(auditor, case)
            written = bundles.save(auditor.bundle(name), out)
    except TrueupError as error:
        _could_not(error, as_json, "Not exported")
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        print_json({"case": name, "file": str(out), "bytes": written})
        return
    console().print(Text(f"{out}: case {clean(name)}, {written:,} bytes. It begins with VERIFY.md."))


@app.command("show")
def show_command(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case, or the key of its entity.")],
    url: Address = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """A case as an examiner sees it: everything that happened, and the attestation's narrative once there is one."""
    try:
        with service.Auditor(url or find_url("auditor"), service.token(as_person)) as auditor:
            name = _case(auditor, case)
            timeline = auditor.timeline(name)
            page = auditor.case(name)
            document = auditor.document(name) if page["attestation"] else None
    except TrueupError as error:
        _could_not(error, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        attestation = json.loads(document) if document else None
        print_json({"case": page, "timeline": timeline["events"], "attestation": attestation})
        return
    screen = console()
    screen.print(Text(f"Case {clean(name)}: {timeline['stage']}", "bold"))
    for line in timeline["events"]:
        told = Text(f"  {line['asof']:<22} {clean(line['words'])}")
        told.append(f"  ({clean(line['actor'])}; event {clean(line['id'])}, position {line['position']})", "dim")
        screen.print(told, soft_wrap=True)
    if document is not None:
        screen.print(Text("\n" + clean(json.loads(document)["narrative"])))


def _case(auditor: service.Auditor, given: str) -> str:
    if given.count("/") >= 2:
        return given
    lines, note = auditor.find(given)
    found = [line["case"] for line in lines]
    if not found:
        raise Refused("case_unknown", note or f"there is no case about {given}", "List them: trueup cases")
    if len(found) > 1:
        raise Refused("which_case", f"several cases are about {given}: {', '.join(found)}", "Name one of them.")
    return str(found[0])


@app.command("save")
def save_command(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case, or the key of its entity.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; an existing file is never replaced.")],
    url: Address = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Save a case's attestation, byte for byte as it was issued: what `verify` checks, and what you hand on."""
    try:
        with service.Auditor(url or find_url("auditor"), service.token(as_person)) as auditor:
            document = auditor.document(_case(auditor, case))
        _write(file, document)
    except TrueupError as error:
        _could_not(error, as_json, "Not saved")
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        print_json({"file": str(file), "bytes": len(document)})
        return
    console().print(Text(f"{file}: {len(document):,} bytes. Check it: trueup audit verify {file}"))


def _write(file: Path, document: bytes) -> None:
    try:
        with file.open("xb") as stream:
            stream.write(document)
    except OSError as error:
        what = "Name a file that does not exist yet, in a folder that you may write to."
        raise Refused("file_unwritable", f"{file} can't be written: {error.strerror or error}", what) from error
