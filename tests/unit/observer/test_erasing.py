"""An erasure takes two people, is carried out once, and can be carried out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from approver.api.erasures import shown
from approver.core import erasing
from approver.core.drafting import Signed, When
from common import signing
from common.clock import RealmClock, instant, parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.directory import Directory, Person
from common.erasures import APPROVER, REQUESTER, Erasure, erasure_digest, fold
from common.errors import Refused, Transient
from common.events import Event, typed
from common.events.approver import Decision
from common.events.observer import ErasureDone
from common.ids import erasure_stream
from common.ledger import Recorded
from observer.acting import Eraser
from observer.core import personal
from observer.core.moments import moment
from support.casework import having_left

from .fakes import NOW, FakeRecords
from .test_personal import JANE, FakeKeys

WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WHEN = When(WALL, datetime(2023, 7, 3, tzinfo=UTC))
KEYS = {name: signing.new_key() for name in ("ann", "bob", "eve")}
PAGE = """
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: finding}
spec:
  about: A finding.
  source: tracker
  key: reference
  sensitive: [note]
  attributes: {note: {from: note}}
"""
CATALOGUE = Catalogue().with_documents(load(PAGE, "page.yaml").documents)


def people(**roles: tuple[str, ...]) -> Directory:
    held = {"ann": (REQUESTER, APPROVER), "bob": (APPROVER,), "eve": ("risk",), **roles}
    everybody = [Person(id=name, name=name, roles=held[name], key=signing.public_of(KEYS[name])) for name in held]
    return Directory.of("demo", everybody, ["playbook"])


def signed(stage: str, who: str, digest: str, **more: Any) -> Signed:
    decision = Decision.model_validate(
        {
            "kind": stage,
            "realm": "demo",
            "case": erasure_stream(*JANE),
            "person": who,
            "role": REQUESTER if stage == "erase" else APPROVER,
            "subject": digest,
            "made_at": instant(WALL),
            "nonce": f"{stage}-{who}-nonce",
            **more,
        }
    )
    return Signed(decision, signing.sign(decision, KEYS[who]))


def asked(**more: Any) -> Event:
    signature = signed("erase", "ann", erasure_digest(JANE), **more)
    return erasing.request(signature, Erasure(JANE), True, CATALOGUE, people(), WHEN).event


def approved(request: Event, who: str = "bob", **more: Any) -> Event:
    erasure = fold([request], people())[JANE]
    return erasing.approve(signed("approve_erasure", who, request.id, **more), erasure, people(), WHEN).event


def batch(*events: Event) -> list[Recorded]:
    return [Recorded(position, event, event.encode()) for position, event in enumerate(events)]


def eraser(records: FakeRecords, keys: FakeKeys, directory: Directory | None = None) -> Eraser:
    return Eraser(records, keys, lambda: directory or people(), lambda: WALL)


# -- what the approver records


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"role": APPROVER}, "role_not_held"),
        ({"subject": "0" * 64}, "stale_digest"),
        ({"case": "erasure/finding/other"}, "wrong_case"),
        ({"realm": "other"}, "wrong_realm"),
        ({"kind": "approve"}, "wrong_stage"),
        ({"made_at": "2026-01-05T08:00:00Z"}, "decision_too_old"),
    ],
)
def test_a_request_that_does_not_count(more: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        asked(**more)
    assert caught.value.reason_code == code


def test_a_request_needs_a_subject_a_key_and_a_person() -> None:
    request = signed("erase", "ann", erasure_digest(JANE))
    plain = Catalogue().with_documents(load(PAGE.replace("  sensitive: [note]\n", ""), "page.yaml").documents)
    for known, catalogue, code in ((False, CATALOGUE, "subject_unknown"), (True, plain, "nothing_sensitive")):
        with pytest.raises(Refused) as caught:
            erasing.request(request, Erasure(JANE), known, catalogue, people(), WHEN)
        assert caught.value.reason_code == code
    with pytest.raises(Refused) as caught:
        erasing.request(signed("erase", "eve", erasure_digest(JANE)), Erasure(JANE), True, CATALOGUE, people(), WHEN)
    assert caught.value.reason_code == "role_not_held"
    forged = Signed(request.decision, signing.sign(request.decision, KEYS["eve"]))
    with pytest.raises(Refused) as caught:
        erasing.request(forged, Erasure(JANE), True, CATALOGUE, people(), WHEN)
    assert caught.value.reason_code == "signature_invalid"


def test_a_subject_is_asked_for_once() -> None:
    again = signed("erase", "ann", erasure_digest(JANE), nonce="another-nonce")
    with pytest.raises(Refused) as caught:
        erasing.request(again, fold([asked()], people())[JANE], True, CATALOGUE, people(), WHEN)
    assert caught.value.reason_code == "already_requested"


def test_who_asked_does_not_approve() -> None:
    with pytest.raises(Refused) as caught:
        approved(asked(), "ann")
    assert caught.value.reason_code == "requester_decides"


def test_an_approval_is_of_one_request_and_counts_once() -> None:
    request = asked()
    with pytest.raises(Refused) as caught:
        approved(request, subject="0" * 64)
    assert caught.value.reason_code == "stale_digest"
    with pytest.raises(Refused) as caught:
        erasing.approve(signed("approve_erasure", "bob", request.id), Erasure(JANE), people(), WHEN)
    assert caught.value.reason_code == "erasure_unknown"
    erasure = fold([request, approved(request)], people())[JANE]
    again = signed("approve_erasure", "bob", request.id, nonce="another-nonce")
    with pytest.raises(Refused) as caught:
        erasing.approve(again, erasure, people(), WHEN)
    assert caught.value.reason_code == "already_decided"


# -- what the observer does


async def test_an_approved_erasure_destroys_the_key_and_the_payloads_and_says_so() -> None:
    request = asked()
    approval = approved(request)
    records, keys = FakeRecords(request, approval), FakeKeys()
    records.quarantined = {"r-1": b"... 2022-090 ...", "r-2": b"another's"}
    await eraser(records, keys).on_erasures(None, batch(request, approval))
    assert keys.destroyed == {JANE: approval.id}
    assert records.quarantined == {"r-1": None, "r-2": b"another's"}
    (event,) = records.of(ErasureDone.TYPE)
    assert typed(event) == ErasureDone(entity_type="finding", key="2022-090", approval=approval.id, payloads=1)
    assert (event.subject, event.causationid) == ("erased/finding/2022-090", approval.id)
    await eraser(records, keys).on_erasures(None, batch(approval))
    assert len(records.of(ErasureDone.TYPE)) == 1


async def test_killed_between_destroying_and_recording_it_records_it_the_next_time() -> None:
    request = asked()
    approval = approved(request)
    records, keys = FakeRecords(request, approval), FakeKeys()
    await keys.destroy(JANE, approval.id)
    await eraser(records, keys).on_erasures(None, batch(approval))
    assert len(records.of(ErasureDone.TYPE)) == 1


async def test_without_approval_nothing_is_destroyed() -> None:
    request = asked()
    records, keys = FakeRecords(request), FakeKeys()
    await eraser(records, keys).on_erasures(None, batch(request))
    assert (keys.destroyed, records.of(ErasureDone.TYPE)) == ({}, [])


FORGERIES: list[tuple[str, dict[str, Any]]] = [
    ("signature_missing", {"signature": None}),
    ("signature_invalid", {"signature": "bob:AAAA"}),
]


@pytest.mark.parametrize(("code", "change"), FORGERIES)
async def test_who_writes_in_the_approvers_name_destroys_nothing(code: str, change: dict[str, Any]) -> None:
    request = asked()
    approval = approved(request)
    for forged in ([request, replace(approval, **change)], [replace(request, **change), approval]):
        records, keys = FakeRecords(*forged), FakeKeys()
        with pytest.raises(Refused) as caught:
            await eraser(records, keys).on_erasures(None, batch(*forged))
        assert caught.value.reason_code == code
        assert keys.destroyed == {}


async def test_one_person_twice_destroys_nothing_even_if_it_is_in_the_ledger() -> None:
    request = asked()
    decision = signed("approve_erasure", "ann", request.id)
    data = {**approved(request).data, "decision": decision.decision.model_dump(mode="json", exclude_none=True)}
    forged = replace(approved(request), data=data, signature=decision.signature)
    records, keys = FakeRecords(request, forged), FakeKeys()
    with pytest.raises(Refused) as caught:
        await eraser(records, keys).on_erasures(None, batch(forged))
    assert (caught.value.reason_code, keys.destroyed) == ("requester_decides", {})


async def test_an_approver_who_no_longer_holds_the_role_does_not_count() -> None:
    request = asked()
    approval = approved(request)
    records, keys = FakeRecords(request, approval), FakeKeys()
    with pytest.raises(Refused) as caught:
        await eraser(records, keys, people(bob=("risk",))).on_erasures(None, batch(approval))
    assert (caught.value.reason_code, keys.destroyed) == ("role_not_held", {})


async def test_a_key_file_from_a_backup_brings_nothing_back() -> None:
    request = asked()
    approval = approved(request)
    records = FakeRecords(request, approval)
    await eraser(records, FakeKeys()).on_erasures(None, batch(approval))
    restored = FakeKeys()
    await restored.ensure([JANE])
    assert await eraser(records, restored).again(None) == 1
    assert restored.destroyed == {JANE: approval.id}
    assert await eraser(records, restored).again(None) == 0
    assert await eraser(records, FakeKeys()).again(None) == 1, "nor does a file that is new"


# -- what stands after a forgery


async def test_a_forged_approval_is_not_shown_as_one_and_the_next_counts() -> None:
    request = asked()
    forged = replace(approved(request), id="forged", signature="bob:AAAA")
    erasure = fold([request, forged], people())[JANE]
    assert (erasure.status, erasure.version) == ("requested", 2)
    page = shown(erasure)
    assert (page.status, page.approved_by) == ("requested", None)
    assert [line.startswith("forged: ") for line in page.refused] == [True]
    numbered = erasing.approve(signed("approve_erasure", "bob", request.id, nonce="x"), erasure, people(), WHEN)
    assert numbered.version == 3
    records, keys = FakeRecords(request, forged, numbered.event), FakeKeys()
    await eraser(records, keys).on_erasures(None, batch(forged))
    assert keys.destroyed == {JANE: numbered.event.id}


def test_a_forged_request_alone_is_shown_as_refused_and_may_be_asked_anew() -> None:
    forged = replace(asked(), id="forged", signature="ann:AAAA")
    erasure = fold([forged], people())[JANE]
    assert (erasure.status, shown(erasure).status) == ("refused", "refused")
    again = signed("erase", "ann", erasure_digest(JANE), nonce="another-nonce")
    assert erasing.request(again, erasure, True, CATALOGUE, people(), WHEN).version == 2


async def test_what_is_erased_stays_so_when_those_who_decided_have_left() -> None:
    request = asked()
    approval = approved(request)
    records, keys = FakeRecords(request, approval), FakeKeys()
    await eraser(records, keys).on_erasures(None, batch(approval))
    until = instant(parse_instant(approval.time) + timedelta(seconds=1))
    gone = people(ann=(), bob=())
    for directory in (gone, having_left(having_left(gone, "ann", until), "bob", until)):
        erasure = fold([request, approval, *records.of(ErasureDone.TYPE)], directory)[JANE]
        page = shown(erasure)
        assert (page.status, page.requested_by, page.approved_by, page.refused) == ("erased", "ann", "bob", [])
    early = having_left(gone, "bob", approval.time)
    assert fold([request, approval, *records.of(ErasureDone.TYPE)], early)[JANE].done is None


# -- what only says that it is done


def forged_done(approval: Event, name: str = "forged-done") -> Event:
    """As who has the observer's login may append it."""
    return replace(personal.erased(approval, JANE, 0, moment(RealmClock("replay", NOW), WALL)), id=name)


def forged_approval(request: Event) -> Event:
    return replace(approved(request), id="forged", signature=f"bob:{'A' * 86}==")


def one_persons(request: Event) -> Event:
    """The approval of one's own request, with a signature that is good."""
    own = signed("approve_erasure", "ann", request.id)
    data = {**approved(request).data, "decision": own.decision.model_dump(mode="json", exclude_none=True)}
    return replace(approved(request), id="own", data=data, signature=own.signature)


NOT_WHOLE = [(forged_approval, "signature_invalid"), (one_persons, "requester_decides")]


@pytest.mark.parametrize(("approve", "code"), NOT_WHOLE)
async def test_a_forged_erasure_is_listed_as_refused_and_the_real_one_goes_on(
    approve: Callable[[Event], Event], code: str
) -> None:
    request = asked()
    approval = approve(request)
    forged = [request, approval, forged_done(approval)]
    erasure = fold(forged, people())[JANE]
    assert (erasure.status, erasure.done, erasure.version) == ("requested", None, 2)
    assert [(event.id, refusal.reason_code) for event, refusal in erasure.refused] == [
        (approval.id, code),
        ("forged-done", code),
    ]
    page = shown(erasure)
    assert (page.status, page.erased, page.approved_by, page.payloads) == ("requested", None, None, None)
    assert page.refused[1].startswith("forged-done: the approval that it names does not count: ")

    real = erasing.approve(signed("approve_erasure", "bob", request.id, nonce="x"), erasure, people(), WHEN).event
    records, keys = FakeRecords(*forged, real), FakeKeys()
    await eraser(records, keys).on_erasures(None, batch(real))
    assert keys.destroyed == {JANE: real.id}
    page = shown(fold(records.events, people())[JANE])
    assert (page.status, page.approved_by) == ("erased", "bob")
    assert [line.split(":")[0] for line in page.refused] == ["forged-done"]


async def test_after_an_erasure_that_is_forged_from_the_request_on_it_can_be_asked_for() -> None:
    request = replace(asked(), id="forged-request", signature=f"ann:{'A' * 86}==")
    approval = replace(approved(asked()), id="forged", data={**approved(asked()).data, "request": request.id})
    erasure = fold([request, approval, forged_done(approval)], people())[JANE]
    assert (erasure.status, shown(erasure).status) == ("refused", "refused")
    again = signed("erase", "ann", erasure_digest(JANE), nonce="another-nonce")
    assert erasing.request(again, erasure, True, CATALOGUE, people(), WHEN).version == 3


async def test_a_forged_erasure_destroys_nothing_at_the_start_either() -> None:
    request = asked()
    approval = forged_approval(request)
    records, keys = FakeRecords(request, approval, forged_done(approval)), FakeKeys()
    await keys.ensure([JANE])
    assert await eraser(records, keys).again(None) == 0
    assert keys.destroyed == {}
    with pytest.raises(Transient) as caught:
        await Eraser(records, keys, None, lambda: WALL).again(None)
    assert caught.value.reason_code == "directory_missing"


async def test_what_is_said_to_be_done_before_it_was_is_done_all_the_same() -> None:
    request = asked()
    approval = approved(request)
    records, keys = FakeRecords(request, approval, forged_done(approval)), FakeKeys()
    records.quarantined = {"r-1": b"... 2022-090 ..."}
    await eraser(records, keys).on_erasures(None, batch(approval))
    assert (keys.destroyed, records.quarantined) == ({JANE: approval.id}, {"r-1": None})


def test_an_erasure_that_names_no_approval_is_refused() -> None:
    request = asked()
    erasure = fold([request, forged_done(request)], people())[JANE]
    assert (erasure.status, erasure.refused[0][1].reason_code) == ("requested", "erasure_not_approved")
