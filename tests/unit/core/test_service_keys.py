"""A service's signature is over the whole event, by its own key, at a time for which that key counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from common import signing
from common.clock import instant, parse_instant
from common.errors import Permanent, Refused
from common.events import BY_SERVICE, SIGNED, Event
from common.events.approver import Decision
from common.service_keys import (
    SIGNERS,
    ServiceKey,
    ServiceKeys,
    TrustedKey,
    WatchedServiceKeys,
    check_service_signature,
    signing_of,
)
from common.settings import SigningSettings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from support import service_keys
from support.drafting import authorised

TIME = "2026-11-05T10:00:00Z"
EVENT = Event(
    id="e-1",
    source="planner",
    type="trueup.plan.withheld.v1",
    subject="plan/d/2022-090/1",
    time=TIME,
    asof="2023-07-03T12:00:00Z",
    actor="service:planner",
    data={"case": "d/2022-090/1", "reason": "Ümlaut, \U0001f600", "n": [1, {"deep": True}]},
    caseid="d/2022-090/1",
    correlationid="e-0",
    causationid="e-0",
    traceparent="00-1-2-03",
)
KEY = service_keys.key("planner")
SIGNED_EVENT = KEY.signed(EVENT, 3)


def trust(**changes: Any) -> ServiceKeys:
    given = {"service": "planner", "key": KEY.public, "since": "2026-11-01T00:00:00Z", "until": None}
    return ServiceKeys.of("demo", [TrustedKey.model_validate(given | changes)])


def refused(event: Event, keys: ServiceKeys | None = None) -> str:
    with pytest.raises(Refused) as caught:
        check_service_signature(event, keys or trust())
    assert event.id in caught.value.message
    return caught.value.reason_code


def test_what_was_signed_is_believed_and_names_service_and_key() -> None:
    check_service_signature(SIGNED_EVENT, trust())
    check_service_signature(Event.decode(SIGNED_EVENT.encode()), trust())
    assert (SIGNED_EVENT.signature or "").startswith(f"service:planner/{KEY.id}:")
    assert SIGNED_EVENT.streamversion == 3


def test_the_same_event_gets_the_same_signature() -> None:
    """A decision made again, with the same instants, is byte for byte the stored one."""
    assert KEY.signed(EVENT, 3) == SIGNED_EVENT


@pytest.mark.parametrize("name", [field.name for field in fields(Event) if field.name != "signature"])
def test_every_attribute_is_signed(name: str) -> None:
    was = getattr(SIGNED_EVENT, name)
    other = 4 if isinstance(was, int) else {**was, "n": [1, {"deep": False}]} if isinstance(was, dict) else was + "x"
    change: dict[str, Any] = {name: other}
    code = refused(replace(SIGNED_EVENT, **change))
    assert code == ("service_signature_foreign" if name == "source" else "service_signature_invalid")


@pytest.mark.parametrize("name", ["caseid", "correlationid", "causationid", "traceparent", "streamversion"])
def test_leaving_out_an_attribute_is_noticed(name: str) -> None:
    change: dict[str, Any] = {name: None}
    assert refused(replace(SIGNED_EVENT, **change)) == "service_signature_invalid"


@given(offset=st.integers(0, len(SIGNED_EVENT.encode()) - 1), byte=st.integers(0, 255))
def test_no_byte_of_the_event_can_be_changed(offset: int, byte: int) -> None:
    """What is read back is refused, or is not the canonical form of what it says (which verifiers ask as well)."""
    raw = SIGNED_EVENT.encode()
    changed = raw[:offset] + bytes([byte]) + raw[offset + 1 :]
    if changed == raw:
        return
    try:
        event = Event.decode(changed)
        check_service_signature(event, trust())
    except (Permanent, Refused):
        return
    assert event.encode() != changed


@given(st.text(max_size=200) | st.integers() | st.none() | st.lists(st.text(max_size=3), max_size=3))
def test_nothing_else_is_a_signature(signature: Any) -> None:
    assert refused(replace(SIGNED_EVENT, signature=signature)).startswith("service_")


@given(st.binary(min_size=64, max_size=64))
def test_no_other_bytes_are_the_signature(raw: bytes) -> None:
    prefix = (SIGNED_EVENT.signature or "").rpartition(":")[0]
    encoded = base64.b64encode(raw).decode()
    assert refused(replace(SIGNED_EVENT, signature=f"{prefix}:{encoded}")) == "service_signature_invalid"


def test_a_signature_has_one_text_only() -> None:
    """The last letter before the padding has four bits that no decoder looks at."""
    text = SIGNED_EVENT.signature or ""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(text[-3]) ^ 1]
    assert refused(replace(SIGNED_EVENT, signature=text[:-3] + other + "==")) == "service_signature_invalid"


def test_no_signature_or_a_persons_is_missing() -> None:
    assert refused(replace(SIGNED_EVENT, signature=None)) == "service_signature_missing"
    approval = next(event for event in authorised().events if "decision" in event.data)
    assert Decision.model_validate(approval.data["decision"])
    assert refused(replace(SIGNED_EVENT, signature=approval.signature)) == "service_signature_missing"


@pytest.mark.parametrize("other", [name for name in SIGNERS if name != "planner"])
def test_another_services_key_is_foreign_by_name_and_by_key(other: str) -> None:
    """Also where the thief says that the key is the planner's, and where the other service's is trusted as well."""
    theirs = service_keys.key(other)
    named = ServiceKey.of("planner", service_keys.private_keys()[other]).signed(EVENT, 3)
    assert refused(named, service_keys.trusted()) == "service_signature_foreign"
    own_name = theirs.signed(replace(EVENT, source=other), 3)
    assert refused(replace(own_name, source="planner"), service_keys.trusted()) == "service_signature_foreign"


def test_a_key_that_is_not_in_the_file_is_unknown() -> None:
    stranger = ServiceKey.of("planner", signing.new_key())
    assert refused(stranger.signed(EVENT, 3)) == "service_key_unknown"


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(0, 100))
def test_a_key_counts_from_since_until_before_until(at: int, since: int, lasts: int) -> None:
    start = parse_instant(TIME)
    event = KEY.signed(replace(EVENT, time=instant(start + timedelta(seconds=at))), 3)
    first, last = start + timedelta(seconds=since), start + timedelta(seconds=since + lasts)
    keys = trust(since=instant(first), until=instant(last))
    if since <= at < since + lasts:
        check_service_signature(event, keys)
    else:
        assert refused(event, keys) == "service_key_expired"


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-05T10:00:00", 5, None])
def test_a_time_that_is_none_is_no_time_in_which_a_key_counts(time: Any) -> None:
    assert refused(KEY.signed(replace(EVENT, time=time), 3)) == "service_key_expired"


def test_a_key_signs_only_its_own_services_events_and_only_once() -> None:
    with pytest.raises(ValueError, match="not for the executor to sign"):
        service_keys.key("executor").signed(EVENT, 3)
    with pytest.raises(ValueError, match="not for the planner to sign"):
        KEY.signed(SIGNED_EVENT, 3)


def test_all_of_planner_executor_and_auditor_is_signed_and_no_persons_decision() -> None:
    for service in ("planner", "executor", "auditor"):
        assert {model.TYPE for model in BY_SERVICE[service]} <= SIGNED
    ours = {model.TYPE for model in BY_SERVICE["approver"] if "decision" in model.model_fields}
    assert not ours & SIGNED
    assert not {model.TYPE for service in ("observer", "differ") for model in BY_SERVICE[service]} & SIGNED


# The files.


def write(path: Path, **changes: Any) -> None:
    keys = [key.model_dump(mode="json") for key in trust(**changes).keys.values()]
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"realm": "demo", "keys": keys}))
    temporary.replace(path)


def test_a_changed_trust_file_counts_at_once_and_a_broken_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "service-keys.json"
    write(path)
    watched = WatchedServiceKeys(path, "demo")
    check_service_signature(SIGNED_EVENT, watched())
    write(path, until="2026-11-02T00:00:00Z")
    assert refused(SIGNED_EVENT, watched()) == "service_key_expired"
    path.write_text("{")
    assert refused(SIGNED_EVENT, watched()) == "service_key_expired"
    path.unlink()
    assert refused(SIGNED_EVENT, watched()) == "service_key_expired"
    write(path)
    check_service_signature(SIGNED_EVENT, watched())


def test_the_file_of_another_realm_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "k.json")
    with pytest.raises(Permanent, match="wrong_realm"):
        WatchedServiceKeys(tmp_path / "k.json", "prod")


def test_one_key_is_not_two_services() -> None:
    both = [TrustedKey(service=name, key=KEY.public, since=TIME) for name in ("planner", "executor")]
    with pytest.raises(Permanent, match="service_keys_shared"):
        ServiceKeys.of("demo", both)


@pytest.mark.parametrize(
    "entry", [{"service": "observer"}, {"key": "AAAA"}, {"key": "?"}, {"since": "once"}, {"until": "2026-01-01"}]
)
def test_an_entry_that_can_not_be_is_refused(entry: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        trust(**entry)


def settings(folder: Path, **changes: Any) -> SigningSettings:
    files: dict[str, Any] = service_keys.write(folder, "planner", "demo")
    return SigningSettings(realm="demo", database_url=SecretStr("x"), brokers="x", **(files | changes))


def test_a_service_takes_up_its_new_key_without_a_restart(tmp_path: Path) -> None:
    given = settings(tmp_path)
    own = signing_of("planner", given, parse_instant(TIME))
    assert own.key().id == KEY.id
    private = signing.new_key()
    new = tmp_path / "new"
    new.touch(mode=0o600)
    new.write_text(private)
    new.replace(tmp_path / "signing-planner.key")
    assert own.key().id == ServiceKey.of("planner", private).id


def _exposed(folder: Path) -> SigningSettings:
    given = settings(folder)
    (folder / "signing-planner.key").chmod(0o644)
    return given


def _malformed(folder: Path) -> SigningSettings:
    given = settings(folder)
    (folder / "signing-planner.key").write_text("not a key")
    return given


def _untrusted(folder: Path) -> SigningSettings:
    given = settings(folder)
    (folder / "signing-planner.key").write_text(signing.new_key())
    return given


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda folder: settings(folder, signing_key=None), "setting_missing"),
        (lambda folder: settings(folder, service_keys=None), "setting_missing"),
        (lambda folder: settings(folder, signing_key=folder / "none"), "signing_key_missing"),
        (lambda folder: settings(folder, service_keys=folder / "none"), "service_keys_missing"),
        (_exposed, "signing_key_exposed"),
        (_malformed, "signing_key_malformed"),
        (_untrusted, "signing_key_untrusted"),
    ],
)
def test_a_service_that_nobody_would_believe_does_not_start(
    tmp_path: Path, made: Callable[[Path], SigningSettings], code: str
) -> None:
    with pytest.raises(Permanent) as caught:
        signing_of("planner", made(tmp_path), parse_instant(TIME))
    assert caught.value.reason_code == code


def test_a_private_key_does_not_print() -> None:
    assert service_keys.private_keys()["planner"] not in repr(KEY)
    assert "Private" not in repr(KEY)
