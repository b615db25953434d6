"""A bundle, as the auditor makes it, verified offline: it holds, and nothing that is done to it does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import walk as walks
from support.bundling import (
    AUDITOR,
    STRANGER,
    WITNESSES,
    Attested,
    Files,
    TreeLog,
    attested,
    bundle,
    changed,
    policy_of,
    resigned,
    service_keys,
)
from transparency import archives, merkle
from transparency.__main__ import main
from transparency.bundles import CHECKPOINT, EVENTS, HTML, NEEDED, PDF, POLICY, STATEMENT
from transparency.canonical import encode, parse
from transparency.notes import SigningKey
from transparency.proofs import Proof
from transparency.text import encode_base64
from transparency.verifying import COULD_NOT, FAILED, VERIFIED, Trust, Verdict, verify

pytestmark = pytest.mark.law  # each forgery is of a whole attestation or bundle

TRUST = Trust(policy_of(), service_keys())


def judged(raw: bytes, trust: Trust = TRUST) -> Verdict:
    return verify(raw, trust)


def failing(verdict: Verdict) -> str:
    """The one check that failed; those after it were not asked."""
    failed = [check.name for check in verdict.checks if check.ok is False]
    assert verdict.exit_code == FAILED
    assert len(failed) == 1
    return failed[0]


def test_the_bundle_is_verified() -> None:
    verdict = judged(bundle())
    assert verdict.exit_code == VERIFIED
    assert {check.ok for check in verdict.checks} == {True}
    told = {check.name: check.detail for check in verdict.checks}
    assert "cosigned by w0, w1" in told["checkpoint"]
    assert "yours was used" in told["policy"]


def test_the_same_case_gives_the_same_bytes() -> None:
    assert attested().export() == bundle()


def test_every_byte_of_every_file_counts() -> None:
    """Of each kind of file: its first byte, its last, and one between."""
    files = archives.read(bundle())
    kinds = {name.partition("/")[0] if name.startswith(("proofs/", "schemas/")) else name: name for name in files}
    some = random.Random(11)
    assert set(NEEDED) <= set(files)
    for name in kinds.values():
        content = files[name]
        for at in {0, len(content) - 1, some.randrange(len(content))}:
            for bit in (0x01, 0x20):
                flipped = bytearray(content)
                flipped[at] ^= bit
                assert judged(changed(bundle(), put(name, bytes(flipped)))).exit_code == FAILED, (name, at, bit)


def test_every_byte_class_of_the_archive_itself_counts() -> None:
    """What a flipped byte of the zip file leaves readable has the very same content."""
    raw, files = bundle(), archives.read(bundle())
    some = random.Random(12)
    central = raw.index(b"PK\x01\x02")
    places = [*range(60), *range(central, central + 80), *range(len(raw) - 22, len(raw))]
    for at in [*places, *(some.randrange(len(raw)) for _ in range(60))]:
        flipped = bytearray(raw)
        flipped[at] ^= 1 << some.randrange(8)
        verdict = judged(bytes(flipped))
        assert verdict.exit_code in (FAILED, COULD_NOT) or (verdict.bundle and verdict.bundle.files == files), at


@pytest.mark.parametrize("name", [*NEEDED, "proofs/0.tlog-proof", "proofs/45.tlog-proof", "extracts/case.xlsx"])
def test_a_dropped_file_is_missed(name: str) -> None:
    assert judged(changed(bundle(), lambda files: files.pop(name))).exit_code == FAILED


@pytest.mark.parametrize(
    "name", ["extra.txt", "proofs/999.tlog-proof", "proofs/x", "schemas/more.json", "consistency/7"]
)
def test_an_added_file_is_noticed(name: str) -> None:
    assert judged(changed(bundle(), lambda files: files.update({name: b"x"}))).exit_code == FAILED


def put(name: str, content: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[name] = content

    return change


def swap(one: str, other: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[one], files[other] = files[other], files[one]

    return change


def first_letter_changed(name: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[name] = (b"B" if files[name][:1] == b"A" else b"A") + files[name][1:]

    return change


def edit(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def without_line(number: int) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        lines = files[EVENTS].splitlines(keepends=True)
        del lines[number]
        files[EVENTS] = b"".join(lines)
        del files[f"proofs/{number}.tlog-proof"]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (swap("proofs/3.tlog-proof", "proofs/4.tlog-proof"), "inclusion"),
        (edit(EVENTS, b"2022-090", b"2022-091"), "inclusion"),
        (edit(EVENTS, b'{"actor"', b'{ "actor"'), "event_bytes"),
        (edit(CHECKPOINT, b"\n46\n", b"\n47\n"), "checkpoint"),
        (without_line(30), "streams"),
        (without_line(0), "attestation"),
        (without_line(45), "attestation"),
        (edit("attestation.json", b"in progress", b"in congress"), "attestation"),
        (lambda files: files.update({EVENTS: b""}), "event_bytes"),
        (lambda files: files.update({"attestation.json": b"{}"}), "attestation"),
    ],
)
def test_whoever_signs_the_files_anew_fails_at_the_log(change: Callable[[Files], None], expected: str) -> None:
    """Even with the auditor's own key: the statement is good, the log is not."""
    assert failing(judged(resigned(bundle(), change, AUDITOR))) == expected


@pytest.mark.parametrize("at", [0, 30, 400, -40, -1])
def test_a_changed_statement_is_what_fails(at: int) -> None:
    def change(files: Files) -> None:
        raw = bytearray(files[STATEMENT])
        raw[at] ^= 1
        files[STATEMENT] = bytes(raw)

    assert failing(judged(changed(bundle(), change))) == "statement"


@pytest.mark.parametrize("name", [HTML, PDF, "extracts/facts.csv", "VERIFY.md", POLICY])
def test_a_stranger_who_signs_other_pages_is_not_the_auditor(name: str) -> None:
    raw = resigned(bundle(), lambda files: files.update({name: b"All was well."}), STRANGER)
    assert failing(judged(raw)) == "statement_key"
    alone = judged(raw, Trust(policy_of()))
    assert alone.exit_code == COULD_NOT
    assert alone.checks[-1].ok is None


def test_without_a_list_the_key_that_signed_the_logged_event_counts() -> None:
    assert judged(bundle(), Trust(policy_of())).exit_code == VERIFIED
    unsigned = Attested(walks.closed(), signing=None).export()
    assert judged(unsigned, Trust(policy_of())).exit_code == COULD_NOT
    assert judged(unsigned).exit_code == VERIFIED
    other = Attested(walks.closed(), signing=STRANGER).export()
    assert judged(other, Trust(policy_of())).exit_code == COULD_NOT


@pytest.mark.parametrize(
    "keys",
    [
        service_keys(STRANGER),
        service_keys(realm="other"),
        service_keys(service="planner"),
        service_keys(until="2021-01-01T00:00:00Z"),
        service_keys(since="2100-01-01T00:00:00Z"),
        b"{}",
        b"not json",
    ],
)
def test_a_list_that_does_not_have_the_key_fails(keys: bytes) -> None:
    assert failing(judged(bundle(), Trust(policy_of(), keys))) == "statement_key"


def test_the_policy_is_the_examiners() -> None:
    other = SigningKey("trueup/demo", bytes(32))
    assert failing(judged(bundle(), replace(TRUST, policy=policy_of(log=other)))) == "checkpoint"
    assert failing(judged(bundle(), replace(TRUST, policy=policy_of(needed=3)))) == "checkpoint"
    looser = judged(bundle(), replace(TRUST, policy=policy_of(needed=1)))
    assert looser.exit_code == VERIFIED
    assert "differs" in {check.name: check.detail for check in looser.checks}["policy"]


def test_without_a_policy_a_bundle_only_agrees_with_itself() -> None:
    verdict = judged(bundle(), replace(TRUST, policy=None))
    assert verdict.exit_code == COULD_NOT
    assert [check.name for check in verdict.checks if check.ok is None] == ["policy"]


def test_a_policy_that_can_t_be_read_is_told_before_anything_is_said() -> None:
    verdict = judged(bundle(), replace(TRUST, policy=b"quorum"))
    assert (verdict.exit_code, verdict.checks[-1].name) == (COULD_NOT, "policy")


def test_a_missing_cosignature_fails() -> None:
    log = TreeLog(attested().records, cosigners=WITNESSES[:1])
    assert failing(judged(attested().export(log))) == "checkpoint"


def test_a_proof_carries_nothing_that_nobody_signed() -> None:
    def change(files: Files) -> None:
        proof = Proof.parse(files["proofs/3.tlog-proof"])
        files["proofs/3.tlog-proof"] = replace(proof, extra=b"All was well.").encode()

    assert failing(judged(changed(bundle(), change))) == "inclusion"


def of_two_checkpoints(*, consistency: bool) -> bytes:
    """Some proofs are older than the others."""
    early, late = TreeLog(attested().records, size=40), TreeLog(attested().records)

    def change(files: Files) -> None:
        for position in (3, 17, 39):
            files[f"proofs/{position}.tlog-proof"] = early.proof(position)
        if consistency:
            steps = merkle.prove_consistency(late.tree, 40, 46)
            files["consistency/40"] = b"".join(encode_base64(step).encode() + b"\n" for step in steps)

    return resigned(bundle(), change, AUDITOR)


def test_several_checkpoints_must_be_of_one_log_that_grew() -> None:
    assert judged(of_two_checkpoints(consistency=True)).exit_code == VERIFIED
    lacking = judged(of_two_checkpoints(consistency=False))
    assert {check.name for check in lacking.checks if check.ok is None} == {"consistency"}
    wrong = resigned(of_two_checkpoints(consistency=True), first_letter_changed("consistency/40"), AUDITOR)
    assert failing(judged(wrong)) == "consistency"


def test_two_histories_under_good_signatures_are_noticed() -> None:
    """A log that signs two trees of one size, and finds witnesses who cosign both."""
    other = TreeLog([*attested().records[:-1], b"{}"])
    raw = resigned(bundle(), lambda files: files.update({"proofs/3.tlog-proof": other.proof(3)}), AUDITOR)
    assert failing(judged(raw)) == "consistency"


@pytest.mark.parametrize("raw", [b"", b"PK", bundle()[:-1], bundle()[: len(bundle()) // 2], b'{"trueup":1}'])
def test_what_is_no_whole_zip_file_could_not_be_checked(raw: bytes) -> None:
    assert judged(raw).exit_code == COULD_NOT


def test_a_statement_of_another_case_fails() -> None:
    assert failing(judged(resigned(bundle(), lambda _: None, AUDITOR, case="x/1"))) in ("streams", "attestation")
    assert failing(judged(resigned(bundle(), lambda _: None, AUDITOR, attestation="0" * 64))) == "attestation"


def test_strange_shapes_are_failures_and_no_crashes() -> None:
    def change(files: Files) -> None:
        lines = files[EVENTS].splitlines()
        lines[5] = encode(parse(lines[5], "it") | {"data": None, "subject": [], "type": {}})
        files[EVENTS] = b"\n".join([*lines, b""])

    assert judged(resigned(bundle(), change, AUDITOR)).exit_code == FAILED
    for name in (STATEMENT, "attestation.json", EVENTS, CHECKPOINT, "proofs/0.tlog-proof"):
        for content in (b"", b"null", b"{}\n", b"[]", b'{"payload":{}}', b"\xff\n"):
            assert judged(changed(bundle(), put(name, content))).exit_code == FAILED


def test_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, policy, keys = tmp_path / "case.zip", tmp_path / "trusted.policy", tmp_path / "keys.json"
    file.write_bytes(bundle())
    policy.write_bytes(policy_of())
    keys.write_bytes(service_keys())
    assert main([str(file), "--policy", str(policy), "--service-keys", str(keys)]) == VERIFIED
    assert "\nVERIFIED" in capsys.readouterr().out
    assert main([str(file)]) == COULD_NOT
    assert "--policy FILE" in capsys.readouterr().out
    file.write_bytes(changed(bundle(), edit(EVENTS, b"2022-090", b"2022-\x1b[1")))
    assert main([str(file), "--policy", str(policy)]) == FAILED
    assert "\x1b" not in (told := capsys.readouterr().out)
    assert "do not rely on" in told
    assert main([str(tmp_path / "absent.zip"), "--policy", str(policy)]) == COULD_NOT
    assert "can't be read" in capsys.readouterr().err
