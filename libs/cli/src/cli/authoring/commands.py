"""The commands `trueup schema`, `trueup explain` and `trueup new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.authoring import reference, schema, starting
from cli.preview import commands
from cli.preview.wording import GOOD, STRONG, line

JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def json_schema(
    kind: Annotated[str, typer.Argument(help="One kind, or Test; without it, all kinds in one schema.")] = "",
) -> None:
    """Print the JSON Schema of the declarations, for editors that complete and check YAML.

    Keep it in a file, and begin a declaration with: # yaml-language-server: $schema=declarations.schema.json
    """
    try:
        name = reference.part(schema.kept()["definitions"], kind).kind if kind else ""
    except Refused as refused:
        raise commands.failed(refused, as_json=False) from refused
    sys.stdout.write(schema.text(schema.of(name) if name else schema.kept()))


def explain(
    field: Annotated[str, typer.Argument(help="KIND or KIND.field, e.g. DesiredState.deadlines.lead.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what a kind or a field means, what may stand there, and what below it."""
    kinds = schema.kept()["definitions"]
    if not field.strip("."):
        if as_json:
            commands.print_json({kind: node["description"] for kind, node in kinds.items()})
        else:
            commands.say(reference.kinds_page(kinds))
        return
    try:
        found = reference.part(kinds, field)
    except Refused as refused:
        raise commands.failed(refused, as_json) from refused
    if as_json:
        commands.print_json({"kind": found.kind, "path": found.path, "needed": found.needed, "schema": found.node})
    else:
        commands.say(reference.page(found))


def new(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(starting.KINDS)}; or scenario.")],
    name: Annotated[str, typer.Argument(help="Its name; of a scenario, what it is about: invoice.")],
    folder: Annotated[Path, typer.Option("--to", help="Where a scenario's folder is made.")] = Path(),
) -> None:
    """Print a commented document that is valid as it stands; of a scenario, write a folder to begin with."""
    try:
        if kind.lower() == "scenario":
            _scenario(name, folder / name)
        else:
            sys.stdout.write(starting.document(kind, name))
    except Refused as refused:
        raise commands.failed(refused, as_json=False) from refused


def _scenario(name: str, folder: Path) -> None:
    files = starting.scenario(name)
    if folder.exists():
        raise Refused("already_there", f"{folder} is there already.", "Choose another name, or another --to.")
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text, "utf-8")
    declarations, rows = folder / f"{name}.yaml", folder / f"{name}s.csv"
    commands.say(
        [
            line(("Written  ", GOOD), (f"{', '.join(str(folder / file) for file in files)}", "")),
            line(("Look     ", STRONG), (f"trueup diff {declarations} --state {name}={rows} --at {starting.AT}", "")),
            line(("Test     ", STRONG), (f"trueup test {folder}", "")),
            line(("Then     ", STRONG), ("make it your own: trueup explain, docs/declarations.md", "")),
        ]
    )
