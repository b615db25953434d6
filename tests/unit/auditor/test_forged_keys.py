"""Whose key it is: of who has left, made up by a forger; and of who has a service's login, and not its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from auditor.core import attestation
from auditor.core.checks import services
from auditor.core.checks.answer import Failed
from auditor.core.evidence import Record, numbered
from common import signing
from common.clock import instant, parse_instant
from common.directory import Directory, FormerKey
from common.events import SIGNED, executor
from common.events.approver import Decision
from common.service_keys import SIGNERS, ServiceKey, ServiceKeys, TrustedKey
from support import service_keys
from support import walk as walks
from support.casework import having_left
from support.service_keys import trusted
from support.walk import Walk, directory

from .forging import altered, dealt, failures, forged, index_of, original, resealed

pytestmark = pytest.mark.law  # each forgery is of a whole attestation or bundle


@pytest.fixture(scope="module")
def walk() -> Walk:
    return walks.closed()


def test_what_somebody_decided_verifies_after_they_have_left(walk: Walk) -> None:
    """With the entry as it was when they were there, and with one that says when they left."""
    times = [parse_instant(event.time) for event in walk.ledger if event.actor == "person:r.osei"]
    after, before = instant(max(times) + timedelta(seconds=1)), instant(min(times))
    left, early = (having_left(directory(), "r.osei", until) for until in (after, before))
    assert failures(forged(walk, walk.ledger), directory=left) == set()
    assert failures(forged(walk, walk.ledger, left.everybody()), directory=left) == set()
    assert failures(forged(walk, walk.ledger, left.everybody()), directory=directory()) == set()
    assert failures(forged(walk, walk.ledger), directory=early) == {"directory"}
    assert "signatures" in failures(forged(walk, walk.ledger, early.everybody()))


def test_what_somebody_signed_with_a_former_key_verifies_by_it(walk: Walk) -> None:
    times = [parse_instant(event.time) for event in walk.ledger if event.actor == "person:r.osei"]
    person = directory().people["r.osei"]

    def rekeyed(until: datetime) -> Directory:
        former = (FormerKey(key=person.key, until=instant(until)),)
        now = person.model_copy(update={"key": signing.public_of(signing.new_key()), "former": former})
        return Directory.of("demo", list({**directory().people, "r.osei": now}.values()), ["playbook"])

    good, late = rekeyed(max(times) + timedelta(seconds=1)), rekeyed(min(times))
    assert failures(forged(walk, walk.ledger, good.everybody()), directory=good) == set()
    assert failures(forged(walk, walk.ledger), directory=good) == set()  # issued before the key was changed
    assert "signatures" in failures(forged(walk, walk.ledger, late.everybody()))
    assert failures(forged(walk, walk.ledger), directory=late) == {"directory"}


def test_keys_of_the_forgers_own_pass_offline_and_fail_against_a_directory(walk: Walk) -> None:
    """Why a verifier should bring their own directory: a forger can make up everybody."""
    secrets = {person: signing.new_key() for person in directory().people}
    people = [
        person.model_copy(update={"key": signing.public_of(secrets[person.id])})
        for person in directory().people.values()
    ]
    events = [
        event
        if "decision" not in event.data
        else replace(
            event,
            signature=signing.sign(
                Decision.model_validate(event.data["decision"]), secrets[event.data["decision"]["person"]]
            ),
        )
        for event in walk.ledger
    ]
    raw = forged(walk, events, people)
    assert failures(raw) == set()
    assert failures(raw, directory=directory()) == {"directory"}


# Who has a service's database login, and not its key.


@pytest.mark.parametrize("index", [n for n, event in enumerate(walks.closed().ledger) if event.type in SIGNED])
def test_what_a_service_signs_can_not_be_forged_without_its_key(walk: Walk, index: int) -> None:
    """Each change fails the check; of each event one, of all events each, is tried as a whole file."""
    events = list(walk.ledger)
    changes: list[dict[str, Any]] = [
        {"signature": None},
        {"signature": next(event.signature for event in events if "decision" in event.data)},
        {"traceparent": "00-1-2-03"},
        {"signature": (events[index].signature or "").replace(f"service:{events[index].source}", "service:planner")},
    ]
    others = [other for change in changes if (other := replace(events[index], **change)) != events[index]]
    assert len(others) >= 3
    for n, other in enumerate(others):
        altogether = [*events[:index], other, *events[index + 1 :]]
        record = Record(walk.id, numbered(dealt(altogether, keyless=True)), directory().people.values(), trusted())
        with pytest.raises(Failed):
            services.signatures(record)
        if n == index % len(others):
            assert "service_signatures" in failures(forged(walk, altogether, keyless=True)), other.signature


def test_a_forger_without_the_executors_key_invents_no_execution(walk: Walk) -> None:
    index = index_of(walk, executor.ActionSucceeded.TYPE)
    events = altered(walk, index, lambda data: {**data, "receipt": {**data["receipt"], "rows": 7}})
    assert failures(forged(walk, events, keyless=True)) == {"service_signatures"}
    assert failures(forged(walk, events)) == set()  # with the key: only the ledger tells


def test_the_keys_listed_are_those_that_signed(walk: Walk) -> None:
    document = original()
    listed = document.head["service_keys"]
    assert [key["service"] for key in listed] == sorted(SIGNERS)
    assert failures(resealed(document, service_keys=listed[1:])) == {"service_signatures"}
    more = {"service": "planner", "key": signing.public_of(signing.new_key()), "since": listed[0]["since"]}
    assert failures(resealed(document, service_keys=[*listed, {**more, "until": None}])) == {"head"}
    shared = [{**listed[0], "service": "planner"}, *listed]
    assert failures(resealed(document, service_keys=shared)) == {"case"}


def test_keys_of_the_forgers_own_fail_against_ones_own_copy(walk: Walk) -> None:
    """As with people: a file can name any keys; whoever has the realm's own sees it."""
    secrets = {service: signing.new_key() for service in SIGNERS}
    made_up = {service: ServiceKey.of(service, secret) for service, secret in secrets.items()}
    events = [
        made_up[event.source].signed(replace(event, signature=None), event.streamversion or 1)
        if event.type in SIGNED
        else event
        for event in walk.ledger
    ]
    keys = [TrustedKey(service=one.service, key=one.public, since=service_keys.SINCE) for one in made_up.values()]
    records = [(position, event.encode()) for position, event in enumerate(events)]
    people = walk.directory.people.values()
    document = attestation.issue("demo", walk.id, events[-1].asof, records, people, ServiceKeys.of("demo", keys))
    raw = document.encode()
    assert failures(raw) == set()
    assert failures(raw, service_keys=service_keys.trusted()) == {"service_keys"}
    assert failures(original().encode(), service_keys=service_keys.trusted("prod")) == {"service_keys"}
    assert failures(original().encode(), service_keys=service_keys.trusted()) == set()


def test_a_file_can_not_stretch_the_time_of_a_retired_key(walk: Walk) -> None:
    keys = [key.model_copy(update={"until": service_keys.SINCE}) for key in service_keys.trusted().keys.values()]
    mine = ServiceKeys.of("demo", keys)
    assert failures(original().encode(), service_keys=mine) == {"service_keys"}
