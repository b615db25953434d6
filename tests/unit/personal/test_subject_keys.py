"""The file of subject keys: made once, never made again, private."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest
from common.errors import Permanent, Transient
from common.sealing import KEY_BYTES, SubjectKey
from common.subject_keys import SubjectKeyFile

JANE, JOE = ("person", "jane"), ("person", "joe")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


async def test_a_key_is_made_once_and_is_the_same_for_every_reader(path: Path) -> None:
    made = await SubjectKeyFile(path).ensure([JANE, JOE, JANE])
    assert len({key.secret for key in made.values()}) == 2
    assert {len(key.secret or b"") for key in made.values()} == {KEY_BYTES}
    assert await SubjectKeyFile(path).ensure([JANE]) == {JANE: made[JANE]}
    assert await SubjectKeyFile(path).read([JOE, ("person", "nobody")]) == {JOE: made[JOE]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_many_keys_are_read_at_once(path: Path) -> None:
    many = [("person", str(number)) for number in range(2_345)]
    made = await SubjectKeyFile(path).ensure(many)
    assert len(made) == len(many)
    assert await SubjectKeyFile(path).read(reversed(many)) == made


async def test_a_destroyed_key_is_gone_from_the_file_and_is_never_made_again(path: Path) -> None:
    keys = SubjectKeyFile(path)
    others = [("person", f"p-{number}") for number in range(300)]  # several pages, as in a real file
    secret = (await keys.ensure([*others, JANE]))[JANE].secret
    assert secret is not None
    assert secret in path.read_bytes()
    for erasure in ("e-1", "e-2"):
        await keys.destroy(JANE, erasure)
        assert secret not in path.read_bytes()
        assert (await keys.read([JANE]))[JANE].secret is None
        assert (await keys.ensure([JANE, JOE]))[JANE].secret is None
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT erased_by FROM subject_keys WHERE key = 'jane'").fetchone() == ("e-1",)


async def test_who_never_had_a_key_gets_none_after_the_erasure(path: Path) -> None:
    await SubjectKeyFile(path).destroy(JANE, "e-1")
    assert (await SubjectKeyFile(path).ensure([JANE]))[JANE].secret is None


async def test_a_reader_needs_no_right_to_write_and_makes_no_file(path: Path) -> None:
    assert await SubjectKeyFile(path).read([JANE]) == {}
    assert not path.exists()
    made = await SubjectKeyFile(path).ensure([JANE])
    path.chmod(0o400)
    assert await SubjectKeyFile(path).read([JANE]) == made


async def test_a_file_that_everybody_can_read_is_refused(path: Path) -> None:
    await SubjectKeyFile(path).ensure([JANE])
    path.chmod(0o644)
    with pytest.raises(Permanent) as caught:
        await SubjectKeyFile(path).read([JANE])
    assert caught.value.reason_code == "subject_keys_not_private"


async def test_a_file_that_is_none_can_be_tried_again(path: Path) -> None:
    path.write_bytes(b"this is no database, and it is long enough to be looked at as one" * 20)
    path.chmod(0o600)
    with pytest.raises(Transient) as caught:
        await SubjectKeyFile(path).ensure([JANE])
    assert caught.value.reason_code == "subject_keys_unavailable"


def test_a_key_does_not_print() -> None:
    assert "top" not in repr(SubjectKey(b"top"))


async def test_the_secret_of_pseudonyms_is_made_once_and_for_all(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    store = SubjectKeyFile(path)
    assert await store.pseudonym_secret() is None
    await store.ensure([("file", "a")])
    assert await store.pseudonym_secret() is None
    made = await asyncio.gather(*(SubjectKeyFile(path).ensure_pseudonym_secret() for _ in range(4)))
    assert len(set(made)) == 1
    assert len(made[0]) == KEY_BYTES
    assert await SubjectKeyFile(path).pseudonym_secret() == made[0]
    assert path.stat().st_mode & 0o777 == 0o600
