"""`trueup audit verify FILE` and `trueup audit show CASE`.

Exit codes of verify: 0 verified, 1 something does not hold, 2 it could not be checked (a file can't be read, the
auditor does not answer). Of show: 0 shown, 2 it could not be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from auditor.core.attestation import MAX_BYTES, parse
from auditor.core.verification import Check, verified, verify
from common.directory import Directory
from common.errors import Permanent, Refused, TrueupError
from common.service_keys import ServiceKeys
from pydantic import ValidationError
from rich.text import Text

from cli.audit import service
from cli.audit.comparing import compare
from cli.people.screen import As, Json, cell, clean, console, print_json, table
from cli.stack.state import find_url

EXIT_FAILED = 1
EXIT_COULD_NOT = 2

app = typer.Typer(
    name="audit",
    add_completion=False,
    no_args_is_help=True,
    help="Verify an attestation, or show a case's records.",
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The attestation, as issued.")]
Trusted = Annotated[
    Path | None,
    typer.Option("--directory", metavar="FILE", help="Your own copy of the directory: whose keys these must be."),
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
def verify_command(
    file: File,
    directory: Trusted = None,
    service_keys: TrustedKeys = None,
    against: Against = None,
    digest: Digest = None,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Check an attestation: bytes, records, signatures, both gates, proof and soak. Needs no network.

    Exit code 0: verified. 1: something does not hold. 2: it could not be checked.
    """
    try:
        raw = _read(file)
        checks = verify(raw, trusted_directory(directory), digest, trusted_keys(service_keys))
        if against is not None and checks[0].ok:
            with service.Auditor(against, service.token(as_person)) as auditor:
                checks += compare(raw, auditor)
    except TrueupError as error:
        _could_not(error, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        print_json({"verified": verified(checks), "checks": [_json(check) for check in checks]})
    else:
        _print(file, raw, checks, against is not None)
    if not verified(checks):
        raise typer.Exit(EXIT_FAILED)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        what = "Check the path, and that you may read it."
        raise Refused("file_unreadable", f"{file} can't be read: {error.strerror or error}", what) from error
    return raw


def trusted_directory(file: Path | None) -> Directory | None:
    """The people in this file, None when none is given. Raises `Refused` (`directory_unreadable`)."""
    if file is None:
        return None
    try:
        return Directory.read(file)
    except (OSError, ValidationError, Permanent) as error:
        told = " ".join(str(error).split())[:300]
        what = "Give a directory.json, as the services have it."
        raise Refused("directory_unreadable", f"{file} is not a directory of people: {told}", what) from error


def trusted_keys(file: Path | None) -> ServiceKeys | None:
    """The services' keys in this file, None when none is given. Raises `Refused` (`service_keys_unreadable`)."""
    if file is None:
        return None
    try:
        return ServiceKeys.read(file)
    except (OSError, ValidationError, Permanent) as error:
        told = " ".join(str(error).split())[:300]
        what = "Give a service-keys.json, as the services have it."
        raise Refused("service_keys_unreadable", f"{file} is not a list of service keys: {told}", what) from error


def _could_not(error: TrueupError, as_json: bool) -> None:
    what = error.what_to_do if isinstance(error, Refused) else ""
    if as_json:
        print_json({"verified": None, "error": error.reason_code, "message": error.message, "what_to_do": what})
        return
    sys.stderr.write(f"Not checked: {clean(error.message)}\n{clean(what)}\n")


def _json(check: Check) -> dict[str, object]:
    return {"name": check.name, "ok": check.ok, "detail": check.detail}


_MARKS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("not checked", "yellow")}


def _print(file: Path, raw: bytes, checks: Sequence[Check], compared: bool) -> None:
    screen = console()
    rows = table("", "", "")
    for check in checks:
        mark, style = _MARKS[check.ok]
        rows.add_row(cell(mark, style), cell(check.name.replace("_", " ")), cell(check.detail))
    screen.print(rows)
    failed = [check for check in checks if check.ok is False]
    if failed:
        names = ", ".join(check.name.replace("_", " ") for check in failed)
        screen.print(Text(f"\nNOT VERIFIED: {names}. Do not rely on {file.name}.", "bold red"))
        return
    told = parse(raw).head
    passed = sum(check.ok is True for check in checks)
    screen.print(
        Text(f"\nVERIFIED: case {told['case']}, issued {told['issued']}. {passed} checks hold.", "bold green")
    )
    if told["simulated"]:
        screen.print(
            Text("It is labelled as simulated: people or observations were made up for a demonstration.", "yellow")
        )
    limits = []
    if any(check.name == "directory" and check.ok is None for check in checks):
        limits.append("that the keys are really these people's (--directory FILE)")
    if any(check.name == "service_keys" and check.ok is None for check in checks):
        limits.append("that the services' keys are really theirs (--service-keys FILE)")
    if not compared:
        limits.append("that the records nobody signs are those of the ledger (--against URL)")
    if limits:
        screen.print(Text(f"The file alone does not show: {'; '.join(limits)}."))


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
    if "/" in given:
        return given
    found = [line["case"] for line in auditor.find(given)]
    if not found:
        raise Refused("case_unknown", f"there is no case about {given}", "List them: trueup cases")
    if len(found) > 1:
        raise Refused("which_case", f"several cases are about {given}: {', '.join(found)}", "Name one of them.")
    return str(found[0])
