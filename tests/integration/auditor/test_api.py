"""What an examiner can ask: lists, one case, its timeline, causes to the root, exact bytes, attestations."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from common.clock import wall_now
from common.events.observer import EntityObserved
from support.audit_room import AuditRoom
from support.walk import COMPLETE, executed, opened

pytestmark = pytest.mark.integration


def start(room: AuditRoom) -> dict[str, Any]:
    return {"realm": room.realm.name, "wall": wall_now() - timedelta(seconds=60)}


async def test_nobody_reads_without_being_signed_in(room: AuditRoom) -> None:
    assert (await room.post("/v1/cases/find", {"key": "2022-090"}, "")).json()["reason_code"] == "token_missing"
    for path in ("/v1/cases", "/v1/events?position=0", "/v1/attestations", "/v1/counts"):
        for token in ("", "x.y.z"):
            answer = await room.get(path, token)
            assert answer.status_code == 401
            assert answer.json()["reason_code"] in ("token_missing", "token_invalid")


async def test_cases_are_listed_filtered_and_paged(room: AuditRoom) -> None:
    await room.copy(opened(**start(room)))
    body = (await room.get("/v1/cases")).json()
    assert body["total"] == 1
    assert body["next"] is None
    line = body["cases"][0]
    assert (line["case"], line["stage"], line["rules"]) == (room.walk.id, "to-confirm", ["fixed"])
    assert line["opened"] == "2023-07-03T00:00:00Z"
    assert (await room.get("/v1/cases?stage=closed")).json()["cases"] == []
    assert len((await room.get("/v1/cases?stage=to-confirm&key=2022-090")).json()["cases"]) == 1
    assert (await room.post("/v1/cases/find", {"key": "2022-090"})).json()["cases"] == body["cases"]
    for more, total in (({"stage": "closed"}, 0), ({"key": "2022-091"}, 0), ({"limit": 1}, 1)):
        found = (await room.post("/v1/cases/find", {"key": "2022-090", **more})).json()
        assert (found["total"], found["note"]) == (total, "")  # no key is sensitive here: there is nothing to add
    for wrong in ({}, {"key": ""}, {"key": "x", "entity": "y"}, {"key": "\0"}):
        assert (await room.post("/v1/cases/find", wrong)).json()["reason_code"] == "malformed_request"
    assert (await room.get(f"/v1/cases?after={room.walk.id}")).json()["cases"] == []
    assert (await room.get("/v1/cases?limit=1")).json()["next"] == room.walk.id
    assert (await room.get("/v1/cases?limit=0")).json()["reason_code"] == "malformed_request"
    assert (await room.get("/v1/counts")).json() == {"stages": {"to-confirm": 1}, "unattested": {}}


async def test_one_case_and_its_timeline(room: AuditRoom) -> None:
    await room.copy(executed(**start(room)))
    page = (await room.get(f"/v1/cases/{room.walk.id}")).json()
    assert page["stage"] == "to-verify"
    assert page["confirmation"]["data"]["decision"]["person"] == "j.moreau"
    assert [said["data"]["decision"]["person"] for said in page["approvals"]] == ["l.hansen", "r.osei"]
    timeline = (await room.get(f"/v1/cases/{room.walk.id}/timeline")).json()
    assert [line["id"] for line in timeline["events"]] == [event.id for event in room.walk.events]
    assert timeline["events"][0]["words"] == "a gap was found: fixed"
    assert timeline["events"][1]["words"] == "j.moreau (head-of-compliance) confirmed that the gap is real"
    assert not any(line["words"].startswith("trueup.") for line in timeline["events"])


async def test_any_event_leads_back_to_its_root(room: AuditRoom) -> None:
    await room.copy(executed(**start(room)))
    body = (await room.get(f"/v1/events/{room.walk.events[-1].id}")).json()
    assert body["complete"] is True
    chain = [line["id"] for line in body["causes"]]
    known = {event.id: event for event in room.walk.ledger}
    current = room.walk.events[-1]
    for cause in chain:
        assert current.causationid == cause
        current = known[cause]
    assert current.causationid is None
    assert current.type == EntityObserved.TYPE, "the root is what was observed"
    gap = (await room.get(f"/v1/events/{room.walk.events[0].id}")).json()
    assert [line["id"] for line in gap["cited"]] == [room.walk.seen["finding", room.walk.key].id]


async def test_events_are_given_byte_for_byte(room: AuditRoom) -> None:
    await room.copy(opened(**start(room)))
    body = (await room.get("/v1/events?position=0&position=22&position=999999")).json()
    assert [item["position"] for item in body["events"]] == [0, 22]
    for item in body["events"]:
        raw = room.walk.ledger[item["position"]].encode()
        assert item["event"].encode() == raw
        assert item["sha256"] == hashlib.sha256(raw).hexdigest()
    assert (await room.get("/v1/events")).status_code == 422
    assert (await room.get("/v1/events?position=-1")).status_code == 422


async def test_attestations_are_listed_and_given_as_issued(room: AuditRoom) -> None:
    await room.copy(executed(**start(room)))
    await room.advance("2023-08-31 12:00")
    walk = room.walk
    assert (await room.get("/v1/attestations")).json()["attestations"] == []
    await room.make(
        lambda: walk.report("2023-08-31 09:00", simulated=True, corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-08-31 09:00"),
        walk.close_gap,
    )
    await room.advance("2023-10-01 00:00")
    body = (await room.get("/v1/attestations")).json()
    assert body["total"] == 1
    line = body["attestations"][0]
    assert (line["case"], line["how"], line["simulated"]) == (walk.id, "remedied", True)
    answer = await room.get(f"/v1/attestations/{walk.id}")
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) == line["bytes"]
    assert answer.json()["digest"] == line["digest"]
    page = (await room.get(f"/v1/cases/{walk.id}")).json()
    assert (page["stage"], page["attestation"]) == ("attested", line["digest"])
    assert (await room.get("/v1/cases?stage=attested")).json()["total"] == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/cases/money-findings-closed/2022-999/1", "case_unknown"),
        ("/v1/cases/money-findings-closed/2022-999/1/timeline", "case_unknown"),
        ("/v1/attestations/money-findings-closed/2022-090/1", "case_unknown"),
        ("/v1/events/0000", "event_unknown"),
    ],
)
async def test_what_is_not_there_is_said_to_be_not_there(room: AuditRoom, path: str, code: str) -> None:
    answer = await room.get(path)
    assert (answer.status_code, answer.json()["reason_code"]) == (404, code)
    assert answer.json()["what_to_do"]
