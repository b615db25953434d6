"""tlog-policy: the specification's example, what quorums mean, and that nothing else is read as a policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import notes
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey
from transparency.errors import Malformed, Unverified
from transparency.notes import Note, SigningKey
from transparency.policies import Group, Policy

PUBLISHED = b"""log keyserver.geomys.org+16b31509+ARLJ+pmTj78HzTeBj04V+LVfB+GFAQyrg54CRIju7Nn8
witness TrustFabric transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM \
https://api.transparency.dev/dev/witness/little-garden/
witness Mullvad witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv \
https://witness.stagemole.eu/
witness Geomys witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G \
https://witness.navigli.sunlight.geomys.org/
group 2-of-3 2 TrustFabric Mullvad Geomys
quorum 2-of-3
"""
LOG = SigningKey("log.example/a", bytes(32))
OTHER_LOG = SigningKey("log.example/b", bytes(range(32)))
WITNESSES = {
    name: CosigningKey(f"{name}.example", bytes([number]) * 32)
    for number, name in enumerate(["X1", "X2", "X3", "Y1", "Y2", "Y3"], start=1)
}
CHECKPOINT = Checkpoint(LOG.name, 5, bytes(32))


def written(*lines: str) -> bytes:
    named = [f"log {LOG.verifier.encode()}"]
    named += [f"witness {name} {key.verifier.encode()}" for name, key in WITNESSES.items()]
    return ("\n".join([*named, *lines]) + "\n").encode()


# The example of the specification.
EXAMPLE = written(
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group X-and-Y all X-witnesses Y-witnesses",
    "quorum X-and-Y",
)


def cosigned(names: set[str] | list[str], checkpoint: Checkpoint = CHECKPOINT, log: SigningKey = LOG) -> bytes:
    note = Note.parse(notes.sign(checkpoint.text, log))
    return note.signed_also(WITNESSES[name].cosign(checkpoint, 1) for name in sorted(names)).encode()


@given(st.sets(st.sampled_from(sorted(WITNESSES))))
def test_the_specification_s_example(names: set[str]) -> None:
    policy = Policy.parse(EXAMPLE)
    enough = len(names & {"X1", "X2", "X3"}) >= 2 and bool(names & {"Y1", "Y2", "Y3"})
    if enough:
        accepted = policy.accept(cosigned(names))
        assert (accepted.checkpoint, set(accepted.witnesses)) == (CHECKPOINT, names)
        assert len(accepted.signatures) == 1 + len(names)
    else:
        with pytest.raises(Unverified, match="quorum_not_reached"):
            policy.accept(cosigned(names))


def test_a_published_policy_is_read() -> None:
    policy = Policy.parse(PUBLISHED)
    assert [log.key.name for log in policy.logs] == ["keyserver.geomys.org"]
    assert [witness.name for witness in policy.witnesses] == ["TrustFabric", "Mullvad", "Geomys"]
    assert policy.witnesses[1].url == "https://witness.stagemole.eu/"
    assert policy.groups == (Group("2-of-3", 2, ("TrustFabric", "Mullvad", "Geomys")),)
    assert policy.satisfied_by(("Geomys", "Mullvad"))
    assert not policy.satisfied_by(("Geomys", "Geomys"))


def test_without_witnesses_the_log_s_signature_is_enough_but_needed() -> None:
    policy = Policy.parse(f"log {LOG.verifier.encode()}\nquorum none".encode())
    assert policy.accept(cosigned([])).witnesses == ()
    with pytest.raises(Unverified, match="no_known_signature"):
        policy.accept(cosigned([], log=SigningKey(LOG.name, bytes(range(1, 33)))))


def test_any_of_several_logs_is_accepted_each_under_its_own_name() -> None:
    either = Policy.parse(written(f"log {OTHER_LOG.verifier.encode()}", "quorum X1"))
    of_other = Checkpoint(OTHER_LOG.name, 5, bytes(32))
    assert either.accept(cosigned(["X1"])).checkpoint == CHECKPOINT
    assert either.accept(cosigned(["X1"], of_other, OTHER_LOG)).checkpoint == of_other
    for checkpoint, log in ((of_other, LOG), (CHECKPOINT, OTHER_LOG)):
        with pytest.raises(Unverified, match="log_not_signed"):
            either.accept(cosigned(["X1"], checkpoint, log))


def test_witnesses_alone_do_not_replace_the_log() -> None:
    note = Note(CHECKPOINT.text, tuple(key.cosign(CHECKPOINT, 1) for key in WITNESSES.values()))
    for policy in (EXAMPLE, b"\n".join(EXAMPLE.splitlines()[1:])):
        with pytest.raises(Unverified, match="log_not_signed"):
            Policy.parse(policy).accept(note.encode())


def test_a_wrong_cosignature_by_a_known_witness_spoils_the_checkpoint() -> None:
    wrong = WITNESSES["X3"].cosign(Checkpoint(LOG.name, 6, bytes(32)), 1)
    note = Note.parse(cosigned(["X1", "X2", "Y1"])).signed_also([wrong])
    with pytest.raises(Unverified, match="signature_invalid"):
        Policy.parse(EXAMPLE).accept(note.encode())


def test_spaces_tabs_comments_and_empty_lines_are_no_matter() -> None:
    spaced = EXAMPLE.replace(b"group X-w", b"  # comment \xff\n\t \n#x\n \tgroup \t X-w").replace(b" 2 ", b"\t2  ")
    assert Policy.parse(spaced) == Policy.parse(EXAMPLE) == Policy.parse(EXAMPLE.rstrip(b"\n"))


def test_names_are_bytes_and_a_hash_inside_a_line_is_part_of_a_word() -> None:
    kelvin, latin = "\u212a", b"\xe9#1"
    raw = written("quorum all").replace(b"X1 ", latin + b" ").replace(b"X2 ", kelvin.encode() + b" ")
    raw = raw.replace(b"quorum all", b"group all all K " + latin + b"\nquorum all").replace(b"X3 ", b"K ")
    policy = Policy.parse(raw)
    third = policy.witnesses[0].name
    assert third.encode("utf-8", "surrogateescape") == latin
    assert policy.satisfied_by(("K", third))
    assert not policy.satisfied_by((kelvin, third))


KEY = WITNESSES["X1"].verifier.encode()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "policy_invalid"),
        (written(), "policy_invalid"),
        (written("quorum"), "policy_invalid"),
        (written("quorum X1 X2"), "policy_invalid"),
        (written("quorum X1", "quorum X1"), "policy_duplicate"),
        (written("quorum unknown"), "policy_name_unknown"),
        (written("quorum late", "group late any X1"), "policy_name_unknown"),
        (written("group g any g", "quorum g"), "policy_name_unknown"),
        (written("group g any none", "quorum g"), "policy_name_unknown"),
        (written("group none any X1", "quorum none"), "policy_duplicate"),
        (written("group X1 any X2", "quorum X1"), "policy_duplicate"),
        (written("group g any X1 X1", "quorum g"), "policy_duplicate"),
        (written("group g any X1", "group h any X1", "quorum h"), "policy_duplicate"),
        (written("group g any", "quorum g"), "policy_invalid"),
        (written("group g 0 X1", "quorum g"), "policy_invalid"),
        (written("group g 3 X1 X2", "quorum g"), "policy_invalid"),
        (written("group g 01 X1", "quorum g"), "policy_invalid"),
        (written("group g -1 X1", "quorum g"), "policy_invalid"),
        (written("group g most X1", "quorum g"), "policy_invalid"),
        (written("group g ٢ X1 X2", "quorum g"), "policy_invalid"),
        (written(f"log {LOG.verifier.encode()}", "quorum X1"), "policy_duplicate"),
        (written(f"log {SigningKey('same.example', bytes(32)).verifier.encode()}", "quorum X1"), "policy_duplicate"),
        (written(f"witness again {KEY}", "quorum X1"), "policy_duplicate"),
        (written(f"witness X1 {KEY}", "quorum X1"), "policy_duplicate"),
        (written(f"log {KEY}", "quorum X1"), "key_type_unsupported"),
        (written(f"witness w {OTHER_LOG.verifier.encode()}", "quorum X1"), "key_type_unsupported"),
        (written("witness w", "quorum X1"), "policy_invalid"),
        (written(f"log {OTHER_LOG.verifier.encode()} url and", "quorum X1"), "policy_invalid"),
        (written("witnesses X1", "quorum X1"), "policy_invalid"),
        (written("quorum X1\r"), "policy_invalid"),
        (written("quorum X1", "# \x7f"), "policy_invalid"),
        (written("quorum X1", "# \x0b"), "policy_invalid"),
        (written("quorum\u00a0X1"), "policy_invalid"),
        (written("#" * 300_000), "oversized"),
        (
            written(*(f"group g{n} any {f'g{n - 1}' if n else 'X1'}" for n in range(2000)), "quorum X2"),
            "policy_too_large",
        ),
    ],
)
def test_nothing_else_is_a_policy(raw: bytes, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        Policy.parse(raw)
    assert refused.value.reason_code == code


def test_the_line_at_fault_is_named() -> None:
    with pytest.raises(Malformed, match="line 9 of the policy: 'unknown' is not defined"):
        Policy.parse(written("", "quorum unknown"))


def test_thirty_two_of_each_are_accepted() -> None:
    """The least that the specification recommends; here also as deep as they can be nested."""
    lines = [f"log {SigningKey(f'log.example/{n}', bytes([n, 1]) + bytes(30)).verifier.encode()}" for n in range(32)]
    keys = [CosigningKey(f"w{n}.example", bytes([n, 2]) + bytes(30)) for n in range(32)]
    lines += [f"witness w{n} {key.verifier.encode()}" for n, key in enumerate(keys)]
    lines += [f"group g{n} all w{n} {f'g{n - 1}' if n else ''}" for n in range(32)]
    policy = Policy.parse("\n".join([*lines, "quorum g31"]).encode())
    names = tuple(f"w{n}" for n in range(32))
    assert policy.satisfied_by(names)
    assert not policy.satisfied_by(names[1:])
