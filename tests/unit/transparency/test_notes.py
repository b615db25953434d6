"""Signed notes: the vectors of Go's checksum database, and that no other bytes pass."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import notes
from transparency.errors import Malformed, TransparencyError, Unverified
from transparency.notes import Note, Signature, SigningKey, VerifierKey

PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
ENOCH = VerifierKey.parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
BY_PETER = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BY_ENOCH = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
SIGNED = f"{TEXT}\n{BY_PETER}{BY_ENOCH}".encode()
SPECIFIED = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501


def signers(raw: bytes, *keys: VerifierKey) -> list[str]:
    return [signature.name for signature in notes.verified(Note.parse(raw), keys)]


def test_the_published_key_signs_the_published_note() -> None:
    key = SigningKey.parse(PETER_SECRET)
    assert notes.sign(TEXT, key) == f"{TEXT}\n{BY_PETER}".encode()
    assert key.verifier == PETER
    assert key.encode() == PETER_SECRET


def test_the_published_signatures_verify_and_unknown_ones_are_ignored() -> None:
    assert signers(SIGNED, PETER, ENOCH) == ["PeterNeumann", "EnochRoot"]
    assert signers(SIGNED, PETER) == ["PeterNeumann"]
    assert signers(SIGNED, ENOCH, ENOCH) == ["EnochRoot"]
    for stranger in (VerifierKey("PeterNeumann", ENOCH.public), VerifierKey("Peter", PETER.public)):
        with pytest.raises(Unverified, match="no_known_signature"):
            signers(SIGNED, stranger)
        assert signers(SIGNED, stranger, PETER) == ["PeterNeumann"]


def test_the_last_blank_line_ends_the_text() -> None:
    note = Note.parse(SPECIFIED.encode())
    assert note.text.endswith("di sole:\n\ned è subito sera.\n")
    assert [signature.name for signature in note.signatures] == ["quasimodo.example/salvatore"]
    assert note.encode() == SPECIFIED.encode()


def test_a_signature_by_a_known_key_that_does_not_verify_spoils_the_note() -> None:
    other = SIGNED.replace(b"problem is.", b"problem is!")
    with pytest.raises(Unverified, match="signature_invalid"):
        signers(other, PETER)
    wrong = f"{TEXT}\n{BY_PETER}{BY_ENOCH.replace('BzmZ', 'BzmA')}".encode()
    with pytest.raises(Unverified, match="signature_invalid"):
        signers(wrong, PETER, ENOCH)
    assert signers(wrong, PETER) == ["PeterNeumann"]


def test_one_key_counts_once() -> None:
    assert signers(f"{TEXT}\n{BY_PETER}{BY_PETER}".encode(), PETER) == ["PeterNeumann"]
    again = BY_PETER.replace("ZJku", "ZJkv")
    assert signers(f"{TEXT}\n{BY_PETER}{again}".encode(), PETER) == ["PeterNeumann"]


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 7))
def test_whatever_bit_flips_nothing_else_is_accepted(at: int, bit: int) -> None:
    flipped = SIGNED[:at] + bytes([SIGNED[at] ^ 1 << bit]) + SIGNED[at + 1 :]
    try:
        found = notes.verified(note := Note.parse(flipped), (PETER, ENOCH))
    except (Malformed, Unverified):
        return
    assert note.text == TEXT, "a text that was not signed"
    assert len(found) == 1, "a name or id that became another's leaves the other signature"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n{BY_PETER[:-1]}".encode(),
        f"{TEXT}{BY_PETER}".encode(),
        SIGNED[:-1],
        f"\x01{TEXT}\n{BY_PETER}".encode(),
        f"{TEXT[:3]}\r\n{TEXT}\n{BY_PETER}".encode(),
        f"{TEXT}\n{BY_PETER}Unexpected line.\n".encode(),
        f"{TEXT}\n{BY_PETER}".replace("— Peter", "- Peter").encode(),
        f"{TEXT}\n{BY_PETER}".replace("— Peter", "—  Peter").encode(),
        f"{TEXT}\n{BY_PETER}".replace("Neumann ", " Neumann ").encode(),
        f"{TEXT}\n{BY_PETER}".replace("Neumann ", "+Neumann ").encode(),
        f"{TEXT}\n{BY_PETER}".replace("Neumann ", "\u2003Neumann ").encode(),
        f"{TEXT}\n{BY_PETER}".replace("nAM=", "nAN=").encode(),
        f"{TEXT}\n{BY_PETER}".replace("nAM=", "nAM").encode(),
        f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),
        f"{TEXT}\n— PeterNeumann \n".encode(),
        b"\xff" + SIGNED,
        f"{TEXT}\n{BY_PETER * 101}".encode(),
        b"x" * 1_000_001,
    ],
)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Note.parse(raw)


def test_a_note_with_sixteen_signatures_of_five_kilobytes_is_accepted() -> None:
    """The least that the specification asks for; post-quantum signatures are that large."""
    large = tuple(Signature(f"pq.example/{number}", number, bytes(5_000)) for number in range(16))
    raw = Note.parse(SIGNED).signed_also(large).encode()
    assert signers(raw, PETER, ENOCH) == ["PeterNeumann", "EnochRoot"]


def test_a_new_signature_takes_the_place_of_the_old_one_by_the_same_key() -> None:
    bad = Note(TEXT, (Signature(PETER.name, PETER.id, b"bad"), Signature(ENOCH.name, ENOCH.id, b"kept")))
    again = bad.signed_also([SigningKey.parse(PETER_SECRET).sign(TEXT)])
    assert [(signature.name, len(signature.raw)) for signature in again.signatures] == [
        ("EnochRoot", 4),
        ("PeterNeumann", 64),
    ]


@pytest.mark.parametrize("text", ["", "no newline", "a\tb\n", "\x00\n", "a\r\n"])
def test_no_other_text_is_signed(text: str) -> None:
    with pytest.raises(Malformed):
        notes.sign(text, SigningKey.parse(PETER_SECRET))


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "key_invalid"),
        (PETER.encode()[:-4], "key_invalid"),
        (PETER.encode().replace("c74f", "C74F"), "key_invalid"),
        (PETER.encode().replace("c74f20a3", "c74f20a4"), "key_id_wrong"),
        (PETER.encode().replace("Peter", "Piter"), "key_id_wrong"),
        (PETER.encode().replace("TW", "TX"), "key_id_wrong"),
        (PETER.encode().replace("+ARpc", "+BBpc"), "key_type_unsupported"),
        (PETER.encode().replace("Peter", "Peter "), "key_name_invalid"),
        (PETER.encode().replace("Peter", "Peter\n"), "key_name_invalid"),
        ("PeterNeumann+c74f20a3+", "key_invalid"),
        ("PeterNeumann+c74f20a3+====", "key_invalid"),
        ("PeterNeumann+c74f20a3+A", "base64_invalid"),
        ("x" * 5_000, "key_invalid"),
    ],
)
def test_a_public_key_is_read_only_whole(written: str, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        VerifierKey.parse(written)
    assert refused.value.reason_code == code


@pytest.mark.parametrize(
    "written",
    [
        PETER.encode(),
        PETER_SECRET[:-4],
        PETER_SECRET.replace("c74f20a3", "c74f20a4"),
        PETER_SECRET.replace("+AYEK", "+BIEK"),
        PETER_SECRET.replace("KDFz", "KDFy"),
    ],
)
def test_a_private_key_is_read_only_whole_and_never_told(written: str) -> None:
    with pytest.raises(Malformed) as refused:
        SigningKey.parse(written)
    assert "AYEK" not in str(refused.value)
    assert "FALVFGyNhPJEMzD1" not in repr(refused.value)


def test_a_new_key_is_another_each_time_and_its_secret_is_not_shown() -> None:
    one, other = SigningKey.generate("log.example/a"), SigningKey.generate("log.example/a")
    assert one.secret != other.secret
    assert SigningKey.parse(one.encode()) == one
    assert repr(one) == "SigningKey(name='log.example/a')"
    assert base64.b64encode(one.secret).decode() not in repr(one)
    assert signers(notes.sign("hi\n", one), one.verifier) == ["log.example/a"]


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    class Twin:
        name, id = PETER.name, PETER.id

        def verifies(self, text: str, signature: bytes) -> bool:
            return True

    with pytest.raises(TransparencyError, match="keys_ambiguous"):
        notes.verified(Note.parse(SIGNED), (PETER, Twin()))
