"""Which column of a file is which of an entity type's, kept in a YAML file beside the data.

It says how one sender writes its files, not what a column means: the declaration says that, and people approve it. So
it is no part of the declaration. It keeps the whole header it was made for; a header that is another is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.declarations.models import EntityType
from common.declarations.problems import did_you_mean
from common.errors import Refused
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cli.imports.source import Row, Source

LARGEST_BYTES = 256 * 1024
_HEAD = """\
# How the columns of a file become those of an entity type. trueup observe --map keeps it; review it like code.
# columns: column of the file -> column as the declaration names it. ignored: columns that are not read.
"""


class Mapping(BaseModel):
    """The mapping of one kind of file to one entity type. `columns`: column of the file -> column that the
    declaration reads. `ignored` columns are known and not reported."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    entity_type: str = Field(alias="entityType", max_length=200)
    part: str = Field(default="", max_length=200)
    header: int = Field(default=1, ge=1, le=1000)
    columns: dict[str, str] = Field(max_length=500)
    ignored: list[str] = Field(default=[], max_length=500)

    def check(self, file: str, header: Sequence[str]) -> None:
        """Raise `Refused` (`header_changed`) unless the file has the columns, in any order, it was made for."""
        known = [*self.columns, *self.ignored]
        missing = [name for name in known if name not in header]
        new = [name for name in header if name not in known]
        if not missing and not new:
            return
        told = [f"the column {_quoted(missing)} went missing"] if missing else []
        told += [f"the column {_quoted(new)} is new"] if new else []
        hint = [f"--map {self._option(name, new)}" for name in missing] + [f'--map "{name}="' for name in new]
        raise Refused(
            "header_changed",
            f"{file} has another header than its mapping was kept for: {', and '.join(told)}.",
            "Look at what the sender changed. Then say what is meant, and the mapping is kept anew: "
            f"{' '.join(dict.fromkeys(hint[: len(missing)] or hint))}   (COLUMN=ATTRIBUTE, "
            "or COLUMN= for one not to be read)",
        )

    def renamed(self, row: Row) -> Row:
        """The row with the declaration's columns. Columns that the mapping does not know keep their names, where the
        format has no header to check."""
        ignored = set(self.ignored)
        return {self.columns.get(name, name): value for name, value in row.items() if name not in ignored}

    def _option(self, missing: str, new: Sequence[str]) -> str:
        into = self.columns.get(missing, "")
        return f'"{new[0] if new else "COLUMN"}={into}"'


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")


def path_for(source: Source, entity_type: str) -> Path:
    """Where the mapping of this file's kind is kept: beside it."""
    return source.path.parent / f"{entity_type}.mapping.yaml"


def read(path: Path) -> Mapping:
    """The kept mapping. Raises `Refused` (`bad_mapping`)."""
    try:
        data = path.read_bytes()
        if len(data) > LARGEST_BYTES:
            raise ValueError(f"it has more than {LARGEST_BYTES} bytes")  # noqa: TRY301 - told with the others
        made = Mapping.model_validate(YAML(typ="safe", pure=True).load(data.decode("utf-8")))
        targets = list(made.columns.values())
        if len(set(targets)) != len(targets):
            raise ValueError("two columns become the same one")  # noqa: TRY301
    except (OSError, ValueError, YAMLError, RecursionError) as error:
        told = _first_fault(error) if isinstance(error, ValidationError) else str(error).replace("\n", " ")[:300]
        raise Refused("bad_mapping", f"{path} is no mapping of columns: {told}", _HINT) from error
    return made


_HINT = "Write entityType, columns (COLUMN: ATTRIBUTE) and, if there are any, ignored; or make it anew with --map."


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def write(path: Path, mapping: Mapping) -> None:
    """Keep the mapping: a file for people to read and review."""
    yaml = YAML()
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(_plain(mapping), text)
    temporary = path.with_suffix(".new")
    temporary.write_text(_HEAD + text.getvalue(), "utf-8")
    temporary.replace(path)


def _plain(mapping: Mapping) -> dict[str, Any]:
    said: dict[str, Any] = {"entityType": mapping.entity_type}
    said |= {"part": mapping.part} if mapping.part else {}
    said |= {"header": mapping.header} if mapping.header != 1 else {}
    said["columns"] = dict(mapping.columns)
    return said | ({"ignored": list(mapping.ignored)} if mapping.ignored else {})


def made(
    former: Mapping | None,
    options: Iterable[str],
    header: Sequence[str],
    source: Source,
    spec: tuple[str, EntityType | None],
) -> Mapping:
    """The mapping that `--map COLUMN=ATTRIBUTE` options make of the former one, for a file with this header.

    Columns that nothing is said of keep their names, if an attribute reads them or it is not known which do. Raises
    `Refused` (`bad_map`) for a column that is not there, or an attribute that nobody declared.
    """
    name, declared = spec
    columns = {key: value for key, value in (former.columns if former else {}).items() if not header or key in header}
    ignored = [key for key in (former.ignored if former else []) if not header or key in header]
    for option in options:
        column, target = _said(option, header, source.name)
        columns.pop(column, None)
        ignored = [key for key in ignored if key != column]
        if not target:
            ignored.append(column)
            continue
        into = column_for(target, name, declared)
        columns = {key: value for key, value in columns.items() if value != into} | {column: into}
    taken = set(columns.values())
    if former is None:
        columns |= {key: key for key in header if key not in columns and key not in ignored and key not in taken}
    return Mapping(entityType=name, part=source.part, header=source.header, columns=columns, ignored=ignored)


def _said(option: str, header: Sequence[str], file: str) -> tuple[str, str]:
    column, equals, target = option.rpartition("=")
    column, target = column.strip(), target.strip()
    if not equals or not column:
        raise Refused(
            "bad_map", f"--map {option} does not say COLUMN=ATTRIBUTE.", 'Write: --map "Finding No.=reference"'
        )
    if header and column not in header:
        told = f"{file} has no column {column!r}; it has: {_quoted(header)}."
        raise Refused("bad_map", told, did_you_mean(column, header))
    return column, target


def column_for(target: str, name: str, declared: EntityType | None) -> str:
    """The declaration's column that `target` (an attribute, or a column of the declaration) names."""
    if declared is None:
        return target
    columns = [item.column for item in declared.attributes.values()]
    if target in declared.attributes:
        return declared.attributes[target].column
    if target in columns or target == declared.key:
        return target
    told = f"{name} has no attribute {target!r}, and none is read from a column of that name."
    raise Refused("bad_map", told, did_you_mean(target, [*declared.attributes, *columns]))
