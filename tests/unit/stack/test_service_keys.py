"""Keys in a realm's folder: made once, rotated in steps that each leave a realm that works; and `trueup keys`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli.main import main
from cli.stack import service_keys, services
from cli.stack.secretfiles import write_private
from common.clock import instant
from common.errors import Refused
from common.events import Event
from common.service_keys import SIGNERS, ServiceKey, ServiceKeys, check_service_signature
from common.topics import SERVICES
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 5, 10, tzinfo=UTC)


def event(at: datetime, service: str = "planner") -> Event:
    return Event(
        id="e", source=service, type="trueup.plan.withheld.v1", subject="plan/c", time=instant(at), asof=instant(at),
        actor=f"service:{service}", data={},
    )  # fmt: skip


def signed(config: Path, at: datetime, service: str = "planner") -> Event:
    return ServiceKey.read(service, service_keys.key_path(config, service)).signed(event(at, service), 1)


def believed(config: Path, one: Event) -> str:
    try:
        check_service_signature(one, ServiceKeys.read(config / service_keys.TRUST_FILE))
    except Refused as refusal:
        return refusal.reason_code
    return "believed"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    assert service_keys.provide(folder, "demo", NOW) == list(SIGNERS)
    return folder


def test_each_signing_service_gets_a_private_key_that_is_trusted(config: Path) -> None:
    for service in SIGNERS:
        assert service_keys.key_path(config, service).stat().st_mode & 0o777 == 0o600
        assert believed(config, signed(config, NOW, service)) == "believed"
    trusted = service_keys.read_trust(config)
    assert (trusted.realm, [key.service for key in trusted.keys]) == ("demo", list(SIGNERS))


def test_what_exists_is_not_made_again(config: Path) -> None:
    before = {path.name: path.read_bytes() for path in config.iterdir()}
    assert service_keys.provide(config, "demo", NOW + timedelta(days=1)) == []
    assert {path.name: path.read_bytes() for path in config.iterdir()} == before


def test_services_are_told_of_their_own_key_and_of_nobody_elses(config: Path) -> None:
    for service in SERVICES:
        told = services.config_environment(service, config)
        expected = {
            "TRUEUP_SIGNING_KEY": str(config / f"signing-{service}.key"),
            "TRUEUP_SERVICE_KEYS": str(config / "service-keys.json"),
        }
        told.pop("TRUEUP_SUBJECT_KEYS")  # everybody reads personal data by them
        assert told == (expected if service in SIGNERS else {})


def test_after_a_rotation_old_and_new_events_hold_and_the_old_key_runs_out(config: Path) -> None:
    old = ServiceKey.read("planner", service_keys.key_path(config, "planner"))
    before = signed(config, NOW + timedelta(hours=1))
    later = NOW + timedelta(hours=2)
    new, retired = service_keys.rotate(config, "planner", later)
    assert [key.id for key in retired] == [old.id]
    assert service_keys.signing_now(config) >= {new.id}
    assert old.id not in service_keys.signing_now(config)
    assert believed(config, before) == believed(config, signed(config, later)) == "believed"
    on_its_way = old.signed(event(later + service_keys.OVERLAP - timedelta(seconds=1)), 1)
    assert believed(config, on_its_way) == "believed"
    assert believed(config, old.signed(event(later + service_keys.OVERLAP), 1)) == "service_key_expired"
    slow_clock = signed(config, later - service_keys.OVERLAP)
    assert believed(config, slow_clock) == "believed"


def test_a_stolen_key_is_retired_at_once_and_what_it_signed_before_holds(config: Path) -> None:
    old = ServiceKey.read("planner", service_keys.key_path(config, "planner"))
    before = signed(config, NOW + timedelta(hours=1))
    later = NOW + timedelta(hours=2)
    service_keys.rotate(config, "planner", later, at_once=True)
    assert believed(config, before) == "believed"
    assert believed(config, old.signed(event(later), 1)) == "service_key_expired"
    assert believed(config, signed(config, later)) == "believed"


@given(st.lists(st.tuples(st.integers(0, 3_600), st.booleans()), max_size=4))
def test_however_often_it_is_rotated_the_key_in_use_is_believed_and_no_retired_one_is_revived(
    turns: list[tuple[int, bool]],
) -> None:
    with TemporaryDirectory() as name:
        config = Path(name)
        service_keys.provide(config, "demo", NOW)
        now, ends = NOW, dict[str, datetime]()
        for wait, at_once in turns:
            now += timedelta(seconds=wait)
            _, retired = service_keys.rotate(config, "planner", now, at_once=at_once)
            assert believed(config, signed(config, now)) == "believed"
            for key in retired:
                end = now if at_once else now + service_keys.OVERLAP
                ends[key.id] = min(ends.get(key.id, end), end)
        known = {key.id: key.until for key in service_keys.read_trust(config).keys if key.service == "planner"}
        assert {name: until for name, until in known.items() if until} == {
            name: instant(end) for name, end in ends.items()
        }


@pytest.mark.parametrize("dies_at", [0, 1, 2])
def test_a_rotation_that_dies_half_way_leaves_a_service_that_is_believed(
    config: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Three writes: the new key is trusted, the service gets it, the old one is retired."""
    count = iter(range(10))

    def dying(write: Any) -> Any:
        def instead(*given: Any) -> None:
            if next(count) == dies_at:
                raise KeyboardInterrupt
            write(*given)

        return instead

    with monkeypatch.context() as patch:
        patch.setattr(service_keys, "write_trust", dying(service_keys.write_trust))
        patch.setattr(service_keys, "write_private", dying(write_private))
        with pytest.raises(KeyboardInterrupt):
            service_keys.rotate(config, "planner", NOW + timedelta(hours=1), at_once=True)
    later = NOW + timedelta(hours=2)
    assert believed(config, signed(config, later)) == "believed"
    new, _ = service_keys.rotate(config, "planner", later, at_once=True)
    open_ended = {
        key.id for key in service_keys.read_trust(config).keys if key.service == "planner" and not key.until
    }
    assert open_ended == {new.id}


# The commands.


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == code
    return json.loads(capsys.readouterr().out)


def test_keys_are_made_listed_and_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "stack" / "config"
    made = run(capsys, "keys", "make", "--config", str(config), "--realm", "demo")
    assert made == {"realm": "demo", "made": list(SIGNERS)}
    rotated = run(capsys, "keys", "rotate", "planner", "--data", str(config.parent))
    listed = run(capsys, "keys", "list", "--config", str(config))
    assert len(listed) == len(SIGNERS) + 1
    assert {key["service"] for key in listed if key["signs"]} == set(SIGNERS)
    (old,) = [key for key in listed if not key["signs"]]
    assert old["until"] == rotated["retired"][0]["until"] is not None
    assert old["key"] != rotated["new"]["key"]
    private = service_keys.key_path(config, "planner").read_text().strip()
    assert private not in json.dumps([rotated, listed])


def test_what_can_not_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = run(capsys, "keys", "list", "--config", str(tmp_path), code=2)
    assert (nowhere["error"], "trueup keys make" in nowhere["what_to_do"]) == ("service_keys_missing", True)
    run(capsys, "keys", "make", "--config", str(tmp_path), "--realm", "demo")
    other = run(capsys, "keys", "make", "--config", str(tmp_path), "--realm", "prod", code=2)
    assert other["error"] == "wrong_realm"
    observer = run(capsys, "keys", "rotate", "observer", "--config", str(tmp_path), code=2)
    assert observer["error"] == "service_signs_nothing"
    (tmp_path / "service-keys.json").write_text("{}")
    assert run(capsys, "keys", "list", "--config", str(tmp_path), code=2)["error"] == "service_keys_unreadable"
