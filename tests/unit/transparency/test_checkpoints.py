"""tlog-checkpoint: the specification's example, strict reading, and a checkpoint of another log."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import checkpoints, notes
from transparency.checkpoints import Checkpoint
from transparency.errors import Malformed, Unverified
from transparency.notes import Note, SigningKey

SPECIFIED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
KEY = SigningKey("log.example/findings", bytes(range(32)))

lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def test_the_specification_s_example_reads_and_writes() -> None:
    note = Note.parse(SPECIFIED.encode())
    checkpoint = checkpoints.read(note)
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20852163, base64.b64decode(ROOT))
    assert checkpoint.text == note.text


@given(lines, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_checkpoints_read_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    signed = notes.sign(checkpoint.text, KEY)
    assert checkpoints.opened(signed, origin, [KEY.verifier]).checkpoint == checkpoint


def test_a_checkpoint_of_another_log_or_by_another_key_is_refused() -> None:
    signed = notes.sign(f"log.example/other\n1\n{ROOT}\n", KEY)
    with pytest.raises(Unverified, match="origin_unexpected"):
        checkpoints.opened(signed, "log.example/findings", [KEY.verifier])
    with pytest.raises(Unverified, match="no_known_signature"):
        checkpoints.opened(signed, "log.example/other", [SigningKey(KEY.name, bytes(32)).verifier])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "checkpoint_invalid"),
        ("origin\n1\n", "checkpoint_invalid"),
        (f"origin\n1\n{ROOT}", "checkpoint_invalid"),
        (f"origin\n1\n{ROOT}\nextension", "checkpoint_invalid"),
        (f"\n1\n{ROOT}\n", "checkpoint_invalid"),
        (f"origin\n1\n{ROOT}\n\n", "checkpoint_invalid"),
        (f"origin\n1\n{ROOT}\n\nextension\n", "checkpoint_invalid"),
        (f"origin\n01\n{ROOT}\n", "number_invalid"),
        (f"origin\n-1\n{ROOT}\n", "number_invalid"),
        (f"origin\n+1\n{ROOT}\n", "number_invalid"),
        (f"origin\n1 \n{ROOT}\n", "number_invalid"),
        (f"origin\n٣\n{ROOT}\n", "number_invalid"),
        (f"origin\n9223372036854775808\n{ROOT}\n", "number_invalid"),
        (f"origin\n{'9' * 5000}\n{ROOT}\n", "number_invalid"),
        (f"origin\n\n{ROOT}\n", "number_invalid"),
        (f"origin\n1\n{ROOT[:-1]}\n", "base64_invalid"),
        (f"origin\n1\n{ROOT[:-2]}J=\n", "base64_invalid"),
        (f"origin\n1\n{ROOT} \n", "base64_invalid"),
        (f"origin\n1\n{ROOT.replace('+', '-')}\n".replace("/", "_"), "base64_invalid"),
        ("origin\n1\nAAAA\n", "hash_length"),
        (f"ori\x00gin\n1\n{ROOT}\n", "note_invalid"),
        (f"origin\n1\n{ROOT}\n" + "x" * 100_000 + "\n", "oversized"),
    ],
)
def test_reading_is_strict(text: str, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        Checkpoint.parse(text)
    assert refused.value.reason_code == code


@pytest.mark.parametrize(
    ("origin", "size", "extensions"),
    [("", 0, ()), ("a\nb", 0, ()), ("a", -1, ()), ("a", 2**63, ()), ("a", 0, ("",)), ("a", 0, ("b\nc",))],
)
def test_no_checkpoint_is_made_that_would_read_otherwise(origin: str, size: int, extensions: tuple[str, ...]) -> None:
    with pytest.raises(Malformed):
        Checkpoint(origin, size, bytes(32), extensions)
