"""Whatever arrives on the topic is recorded or refused with its reason; the observer stays up, neighbours get in."""

from __future__ import annotations

import asyncio
import base64

import httpx
import orjson
import pytest
from common.events import typed
from common.events.observer import EntityObserved, ObservationRejected
from support.observer_realm import OTHER_FEED, ObserverRealm, message

pytestmark = pytest.mark.integration

GOOD = orjson.dumps(message("never-sent", "2022-090"))
BAD = {
    "malformed_json": b'{"specversion":',
    "not_utf8": GOOD.replace(b'"title":"a"', b'"title":"\xe4"'),
    "duplicate_key": GOOD.replace(b'"title":"a"', b'"title":"a","title":"b"'),
    "nan": GOOD.replace(b'"title":"a"', b'"title":NaN'),
    "integer_too_large": GOOD.replace(b'"title":"a"', b'"title":12345678901234567890123'),
    "nul_character": GOOD.replace(b'"title":"a"', b'"title":"\\u0000"'),
    "too_deep": b"[" * 2000 + b"]" * 2000,
    "oversized": orjson.dumps(message("big", "2022-090", title="x" * 300_000)),
    "not_a_cloudevent": b'{"hello": "world"}',
    "unknown_message_type": orjson.dumps(message("b-1", "2022-090", type="trueup.case.closed.v1")),
    "feed_mismatch": orjson.dumps(message("b-2", "2022-090", source=OTHER_FEED)),
    "unknown_entity_type": orjson.dumps(message("b-3", "x", data={"entity_type": "vendor", "row": {"id": "x"}})),
    "data_malformed": orjson.dumps(message("b-4", "x", data={"entity_type": "finding", "rows": []})),
    "row_malformed": orjson.dumps(message("b-5", "x", data={"entity_type": "finding", "row": "text"})),
    "key_missing": orjson.dumps(message("b-6", "x", data={"entity_type": "finding", "row": {"title": "no key"}})),
    "key_malformed": orjson.dumps(message("b-7", "two words")),
    "key_mismatch": orjson.dumps(
        message("b-8", "x", data={"entity_type": "finding", "key": "y", "row": {"reference": "x"}})
    ),
    "time_missing": orjson.dumps({k: v for k, v in message("b-9", "x").items() if k != "time"}),
    "time_malformed": orjson.dumps(message("b-10", "x", time="yesterday")),
    "time_in_future": orjson.dumps(message("b-11", "x", time="2023-07-04T00:00:00Z")),
}


async def test_each_kind_of_bad_message_is_refused_and_its_neighbours_are_stored(running: ObserverRealm) -> None:
    batch: list[bytes] = []
    for number, raw in enumerate(BAD.values()):
        batch += [raw, orjson.dumps(message(f"good-{number}", f"G-{number}"))]
    await running.publish(*batch, b"", partition=3)
    await running.wait_for(len(batch) + 1)
    refused = [typed(event) for event in await running.events(ObservationRejected)]
    by_code = {data.reason_code: data for data in refused if isinstance(data, ObservationRejected)}
    assert by_code.keys() == BAD.keys()
    assert len(refused) == len(BAD) + 1, "the empty message is malformed JSON too"
    assert by_code["oversized"].quarantine is None
    assert by_code["oversized"].payload_bytes == len(BAD["oversized"])
    assert by_code["key_mismatch"].upstream_id == "b-8"
    assert all(data.origin.startswith("observations/3/") for data in by_code.values())
    stored = await running.events(EntityObserved)
    assert [event.data["key"] for event in stored] == [f"G-{number}" for number in range(len(BAD))]
    async with running.http() as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_an_id_used_for_another_content_is_refused(running: ObserverRealm) -> None:
    before = len(await running.events())
    await running.publish(message("clash-1", "C-1"), message("clash-1", "C-1", title="b"), message("clash-1", "C-2"))
    await running.wait_for(before + 3)
    keys = [event.data["key"] for event in await running.events(EntityObserved)]
    assert ("C-1" in keys, "C-2" in keys) in ((True, False), (False, True)), "partitions decide which comes first"
    refused = (await running.events(ObservationRejected))[-2:]
    assert [event.data["reason_code"] for event in refused] == ["id_clash", "id_clash"]


async def test_bodies_that_are_no_batch_are_refused_as_a_whole(running: ObserverRealm) -> None:
    cases = {
        b"{}": (422, "malformed_json"),
        b"[1,]": (422, "malformed_json"),
        b'["\xff"]': (422, "not_utf8"),
        b"[" + b"1," * 1000 + b"1]": (413, "oversized"),
        b"[" + b" " * (4 * 1024 * 1024) + b"]": (413, "oversized"),
        b"[" * 100_000: (422, "too_deep"),
    }
    before = len(await running.events())
    async with running.http() as client:
        for body, (status, reason_code) in cases.items():
            response = await client.post("/v1/observations", content=body)
            assert (response.status_code, response.json()["reason_code"]) == (status, reason_code), body[:20]
            assert response.json()["message"]
        assert (await client.get("/readyz")).status_code == 200
    assert len(await running.events()) == before


async def test_nobody_reports_without_a_token_of_their_own(running: ObserverRealm) -> None:
    async with running.http(feed=None) as client:
        answers = [
            await client.post("/v1/observations", content=b"[]"),
            await client.post("/v1/observations", content=b"[]", headers={"authorization": "Bearer guess"}),
            await client.post("/v1/snapshots", json={}),
            await client.get("/v1/rejections"),
        ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert [answer.json()["reason_code"] for answer in answers] == [
        "token_missing",
        "token_invalid",
        "token_missing",
        "token_missing",
    ]
    async with running.http(feed="*") as client:
        refused = await client.post("/v1/observations", content=b"[]")
    assert (refused.status_code, refused.json()["reason_code"]) == (403, "role_not_held")


async def test_a_feed_cannot_report_as_another(running: ObserverRealm) -> None:
    async with running.http(OTHER_FEED) as client:
        response = await client.post("/v1/observations", content=orjson.dumps([message("foreign-1", "F-1")]))
    (result,) = response.json()["results"]
    assert (result["status"], result["reason_code"]) == ("rejected", "feed_mismatch")
    last = (await running.events(ObservationRejected))[-1]
    assert last.subject == f"source/{OTHER_FEED}"
    assert "F-1" not in [event.data["key"] for event in await running.events(EntityObserved)]


async def test_what_was_refused_can_be_asked_for_and_its_payload_erased(running: ObserverRealm) -> None:
    bad = message("asked-1", "two words")
    (answer,) = await running.post([bad])
    async with running.http() as client, running.http(OTHER_FEED) as other, running.http("*") as operations:
        pages: list[httpx.Response] = []
        after = 0
        while after is not None:
            pages.append(await client.get("/v1/rejections", params={"after": after, "limit": 5}))
            after = pages[-1].json()["next"]
        mine = [item for page in pages for item in page.json()["results"]]
        found = next(item for item in mine if item["upstream_id"] == "asked-1")
        assert (found["reason_code"], found["payload"]) == (answer["reason_code"], None)
        assert {item["feed"] for item in mine} == {"audit-tracker"}
        assert len({item["id"] for item in mine}) == len(mine)
        everything = (await operations.get("/v1/rejections")).json()["results"]
        assert {"audit-tracker", "unidentified"} <= {item["feed"] for item in everything}

        one = f"/v1/rejections/{found['id']}"
        assert (await other.get(one)).status_code == 404
        assert (await other.delete(f"{one}/payload")).status_code == 404
        payload = (await client.get(one)).json()["payload"]
        assert orjson.loads(base64.b64decode(payload)) == bad
        assert (await client.delete(f"{one}/payload")).status_code == 204
        erased = (await client.get(one)).json()
        assert (erased["erased"], erased["payload"], erased["reason_code"]) == (True, None, "key_malformed")
        await running.post([bad])
        assert (await client.get(one)).json()["payload"] is None, "sending it again does not bring it back"


@pytest.mark.parametrize("asked", ["?after=99999999999999999999999", "?limit=-1", "/%00", "?after=%00"])
async def test_a_question_that_no_query_can_hold_is_refused_with_a_code(running: ObserverRealm, asked: str) -> None:
    async with running.http() as client:
        response = await client.get(f"/v1/rejections{asked}")
        assert response.status_code in (404, 422)
        assert response.json()["reason_code"] in ("malformed_request", "not_found")
        assert (await client.get("/readyz")).status_code == 200


async def test_declarations_and_clock_count_at_once(running: ObserverRealm) -> None:
    retest = message("r-1", "R-1", source=OTHER_FEED, data={"entity_type": "retest", "row": {"id": "R-1"}})
    tomorrow = message("r-2", "T-1", time="2023-07-04T00:00:00Z")
    async with running.http(OTHER_FEED) as client:
        body = orjson.dumps([retest])
        before = (await client.post("/v1/observations", content=body)).json()["results"][0]
        await running.declare("retest", {"about": "x", "source": OTHER_FEED, "key": "id", "attributes": {}})
        after = (await client.post("/v1/observations", content=body)).json()["results"][0]
    assert (before["reason_code"], after["status"]) == ("unknown_entity_type", "accepted")
    (early,) = await running.post([tomorrow])
    await running.advance("2023-07-04T00:00:00Z")
    (late,) = await running.post([tomorrow])
    assert (early["reason_code"], late["status"]) == ("time_in_future", "accepted")


async def test_concurrent_requests_with_the_same_messages_store_them_once(running: ObserverRealm) -> None:
    batch = [message(f"same-{number}", f"S-{number}") for number in range(50)]
    answers = await asyncio.gather(*(running.post(batch) for _ in range(6)))
    for number in range(50):
        statuses = sorted(results[number]["status"] for results in answers)
        assert statuses == ["accepted"] + ["duplicate"] * 5
    keys = [event.data["key"] for event in await running.events(EntityObserved)]
    assert sorted(key for key in keys if key.startswith("S-")) == sorted(f"S-{number}" for number in range(50))
