"""Observations on the topic in every mode, format and codec: recorded once, or refused with what was sent kept."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from common.events.observer import EntityObserved, EntityWithdrawn, ObservationRejected
from support.observer_realm import ObserverRealm, message
from support.upstream_modes import Sent, binary_json, binary_protobuf, headers, structured

pytestmark = pytest.mark.integration

MODES = {"structured": structured, "json": binary_json, "protobuf": binary_protobuf}


async def _stored(running: ObserverRealm, prefix: str) -> dict[str, Any]:
    found = await running.events(EntityObserved)
    return {event.data["key"]: event.data for event in found if event.data["key"].startswith(prefix)}


async def test_each_mode_is_recorded_and_the_same_message_again_in_another_is_a_duplicate(
    running: ObserverRealm,
) -> None:
    before = len(await running.events())
    sent = [
        mode(message(f"mode-{name}", f"M-{name}", title="Übersicht"))
        for name in MODES
        for mode in MODES.values()  # each message three times, once in each mode
    ]
    withdrawn = message(
        "mode-gone", "", type="trueup.upstream.withdrawn.v1", data={"entity_type": "finding", "key": "M-json"}
    )
    await running.send(
        *sent, *(mode(withdrawn) for mode in MODES.values()), structured(message("mode-last", "M-last"))
    )
    events = await running.wait(lambda events: any(event.data.get("key") == "M-last" for event in events))
    assert len(events) - before == len(MODES) + 2, "each message counts once"
    rows = await _stored(running, "M-")
    assert {key: data["row"]["title"] for key, data in rows.items()} == {
        "M-structured": "Übersicht", "M-json": "Übersicht", "M-protobuf": "Übersicht", "M-last": "a",
    }  # fmt: skip
    assert [event.data["key"] for event in await running.events(EntityWithdrawn)] == ["M-json"]


async def test_what_is_wrong_in_binary_mode_is_refused_and_kept_with_its_headers(running: ObserverRealm) -> None:
    before = len(await running.events())
    good = message("binary-bad", "B-bad")
    raw, beside = binary_protobuf(good)
    bad: dict[str, Sent] = {
        "malformed_protobuf": (raw[:-1], beside),
        "duplicate_key": (raw + raw, beside),
        "data_malformed": (raw + b"\x7a\x00", beside),
        "malformed_json": (raw, headers(good, "application/json")),
        "unknown_content_type": (raw, headers(good, "application/avro")),
        "not_a_cloudevent": (raw, tuple(header for header in beside if header[0] != "ce_id")),
        "not_utf8": (raw, (*beside, ("ce_note", b"\xff\xfe"))),
        "time_missing": (raw, tuple(header for header in beside if header[0] != "ce_time")),
        "oversized": (raw, (*beside, ("ce_note", b"x" * 300_000))),
    }
    batch = [sent for number, one in enumerate(bad.values()) for sent in (one, _good(number))]
    await running.send(*batch)
    await running.wait_for(before + len(batch))
    refused = [event.data for event in await running.events(ObservationRejected)][-len(bad) :]
    assert [data["reason_code"] for data in refused] == list(bad)
    assert len(await _stored(running, "B-")) == len(bad)
    kept = next(data for data in refused if data["reason_code"] == "not_utf8")
    async with running.http("*") as client:
        one = f"/v1/rejections/{kept['quarantine']}"
        found = (await client.get(one)).json()
        assert base64.b64decode(found["payload"]) == raw
        decoded = [(item["name"], base64.b64decode(item["value"])) for item in found["headers"]]
        assert tuple(decoded) == bad["not_utf8"][1]
        assert (await client.delete(f"{one}/payload")).status_code == 204
        assert (await client.get(one)).json()["headers"] == []
        assert (await client.get("/readyz")).status_code == 200


def _good(number: int) -> Sent:
    return list(MODES.values())[number % 3](message(f"binary-{number}", f"B-{number}"))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_compressed_batch_is_recorded(running: ObserverRealm, codec: str) -> None:
    batch = [mode(message(f"{codec}-{name}", f"C-{codec}-{name}")) for name, mode in MODES.items()]
    await running.send(*batch, compression=codec)
    await running.wait(lambda events: sum(f"C-{codec}-" in event.data.get("key", "") for event in events) == 3)
    assert len(await _stored(running, f"C-{codec}-")) == 3


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
async def test_a_batch_that_unpacks_to_too_much_is_refused_and_what_follows_is_recorded(
    running: ObserverRealm, codec: str
) -> None:
    before = len(await running.events(ObservationRejected))
    bomb = orjson.dumps(message("bomb", "bomb", title="x" * 20 * 1024 * 1024))
    await running.send((bomb, ()), compression=codec)
    await running.send(structured(message(f"after-{codec}", f"A-{codec}")))
    await running.wait(lambda events: any(event.data.get("key") == f"A-{codec}" for event in events))
    refused = (await running.events(ObservationRejected))[before:]
    assert [event.data["reason_code"] for event in refused] == ["unreadable_record"]
    assert "can't be unpacked" in refused[0].data["reason"]
