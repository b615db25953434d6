"""The SQL files of the schemas: found with their package, numbered without a gap."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import pytest
from common.errors import Permanent
from common.schemas import SCHEMAS, migrations


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a folder for migrations, and a name that no other test has."""
    folder = tmp_path / f"p{secrets.token_hex(6)}"
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def fill(package: Path, *names: str) -> None:
    for name in names:
        (package / "migrations" / name).write_text(f"-- {name}\n", "utf-8")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_schema_has_its_first_file(schema: str) -> None:
    first = migrations(schema)[0]
    assert (first.schema, first.number, first.name, first.revision) == (schema, 1, "initial", f"{schema}_0001")
    assert first.title == f"{schema}/0001_initial.sql"


def test_files_come_in_order_with_their_digest(package: Path) -> None:
    fill(package, *(f"{number:04}_step.sql" for number in range(12, 0, -1)), "README.md")
    found = migrations(package.name)
    assert [file.number for file in found] == list(range(1, 13))
    assert found[1].digest == hashlib.sha256(b"-- 0002_step.sql\n").hexdigest()


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("0002_two.sql",),
        ("0001_one.sql", "0003_three.sql"),
        ("0001_one.sql", "0002_two.sql", "0002_zwei.sql"),
        ("0000_none.sql", "0001_one.sql"),
        ("0001_one.sql", "0002-two.sql"),
        ("0001_one.sql", "2_two.sql"),
        ("0001_One.sql",),
    ],
)
def test_a_gap_a_second_one_or_another_name_is_refused(package: Path, names: tuple[str, ...]) -> None:
    fill(package, *names)
    with pytest.raises(Permanent) as caught:
        migrations(package.name)
    assert caught.value.reason_code == "migrations_malformed"


def test_a_package_that_is_not_here_is_named() -> None:
    with pytest.raises(Permanent, match=r"migrations_missing: .* install the package nobodys_package"):
        migrations("nobodys_package")
