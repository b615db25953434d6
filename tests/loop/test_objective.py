"""A missed objective through the real services: found, planned for, done, measured again, attested, verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from auditor.core.verification import verify
from cli.demo import cast
from cli.demo.actors import Actors
from cli.demo.cast import Member
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.directory import Directory
from common.service_keys import ServiceKeys

pytestmark = pytest.mark.loop
CASE = "accounts-in-time/*/1"
PEOPLE = (
    Member("a.author", "A. Author", ("declaration-author",)),
    Member("b.other", "B. Other", ("declaration-approver",)),
    Member("c.lead", "C. Lead", ("team-lead",)),
    Member("d.owner", "D. Owner", ("process-owner",)),
    Member("e.ops", "E. Ops", ("operations",)),
    Member("f.it", "F. It", ("it-service",)),
    Member("g.examiner", "G. Examiner", ("examiner",)),
    Member("h.clock", "H. Clock", ("clock-keeper",)),
)


class Office:
    """The people, and the feed that reports applications."""

    def __init__(self, stack: Stack, actors: Actors, feed: str, token: str) -> None:
        self.stack, self.actors, self._feed, self._token = stack, actors, feed, token

    def report(
        self, key: str, opened: str, took: int | None = None, checked: int | None = None, withdrawn: str = "no"
    ) -> None:
        day = date.fromisoformat(opened)
        row = {"id": key, "opened": opened, "withdrawn": withdrawn}
        row |= {"activated": (day + timedelta(days=took)).isoformat()} if took is not None else {}
        row |= {"checked": (day + timedelta(days=checked)).isoformat()} if checked is not None else {}
        now = self.actors["h.clock"].realm()["now"]
        self.observed(f"{key}@{now}", now, {"entity_type": "application", "key": key, "row": row})

    def observed(self, upstream_id: str, time: str, data: dict[str, Any]) -> None:
        """The feed says so."""
        message = {
            "specversion": "1.0", "id": upstream_id, "source": self._feed,
            "type": "trueup.upstream.observed.v1", "time": time, "data": data,
        }  # fmt: skip
        answer = httpx.post(
            f"{self.stack.urls['observer']}/v1/observations",
            json=[message],
            headers={"authorization": f"Bearer {self._token}"},
        )
        assert answer.json()["results"][0]["status"] == "accepted", answer.text

    def to(self, moment: str) -> None:
        self.actors.settle("h.clock")
        self.actors["h.clock"].advance(moment)
        self.actors.settle("h.clock")

    def do(self, person: str, kind: str) -> None:
        done = self.actors.work((person,), (kind,), lambda *_: (kind, "As agreed."))
        assert done[kind] == 1, f"{person} had nothing to {kind}"
        self.actors.settle("h.clock")

    def case(self, case: str = CASE) -> dict[str, Any]:
        return self.actors["g.examiner"].case(case)


@contextmanager
def office(folder: Path, postgres: Postgres, broker: AnyBroker, name: str = "accounts") -> Iterator[Office]:
    """The declarations `<name>.yaml`, fed by the feed `name`."""
    stack = Stack(
        folder,
        realm=name,
        broker=broker,
        postgres=postgres,
        clock="replay:2023-07-03T12:00:00Z",
        timezone="UTC",
    )
    keys = cast.enrol(PEOPLE, stack.realm, stack.config, stack.folder / "people")
    cast.secrets_of(stack.config, stack.realm)
    token = cast.feed_tokens(stack.config, [name])[name]
    with stack:
        actors = Actors(stack.urls["approver"], keys)
        try:
            proposal = actors["a.author"].propose(Path(__file__).with_name(f"{name}.yaml"))
            actors["b.other"].activate(proposal["id"])
            actors.settle("h.clock")
            yield Office(stack, actors, name, token)
        finally:
            actors.close()


def test_a_missed_objective_is_remedied_and_attested(
    session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    with office(session_folder / "accounts", postgres, broker) as here:
        for number in range(4):
            here.report(f"A-{number}", "2023-06-20", took=8 + number, checked=6)
        here.to("2023-07-04T12:00:00Z")  # the same standing is said once a day
        gap = here.case()["gap"]["data"]
        (rule,) = gap["rules"]
        assert (gap["key"], rule["name"], rule["status"]) == ("*", "mean-days", "missed")
        assert rule["says"] == "9.5 days on average over 4 in the last 30 days; at most 3 days wanted."
        assert [one["key"] for one in rule["measured"]["contributors"]] == ["A-3", "A-2", "A-1", "A-0"]
        assert rule["measured"]["trace"]["steps"][0]["begin"] == "opened"

        here.do("c.lead", "confirm")
        plan = here.case()["plan"]["data"]
        (step,) = plan["steps"]
        assert (step["action"], step["target"]) == ("change-routing", "application/*")
        assert step["parameters"]["rule"].startswith("Straight to the specialists: 9.5 days on average")
        here.do("d.owner", "approve")
        here.to("2023-07-05T12:00:00Z")
        here.report("A-5", "2023-07-01", took=2)  # the mean moves, and what was approved still holds
        here.actors.settle("h.clock")
        here.do("e.ops", "release")
        here.do("f.it", "outcome")
        assert here.case()["stage"] == "to-verify"

        here.to("2023-07-31T12:00:00Z")
        for number in range(6, 10):
            here.report(f"A-{number}", "2023-07-28", took=2)
        here.actors.settle("h.clock")
        here.to("2023-08-01T12:00:00Z")
        assert here.case()["stage"] == "soaking"
        here.report("A-9", "2023-07-28", took=2, withdrawn="yes")
        here.to("2023-08-02T12:00:00Z")
        failed = here.case()
        assert failed["stage"] == "failed-verification", "a customer gave up, more than may"
        (said,) = [one for one in failed["verification"] if one["type"] == "trueup.verification.failed.v1"]
        assert said["data"]["reason_code"] == "secondary_effect"
        assert "More customers give up. share: withdrawn was 0 % of 4 and is 11.1 % of 9" in said["data"]["reason"]
        here.report("A-9", "2023-07-28", took=2)
        here.to("2023-08-03T12:00:00Z")
        assert here.case()["stage"] == "soaking", "the soak begins anew"
        here.to("2023-08-10T12:00:00Z")
        page = here.case()
        assert page["stage"] == "attested", page["stage"]

        document = fetched(here, CASE)
        directory = Directory.read(here.stack.config / "directory.json")
        checks = verify(document, directory, None, ServiceKeys.read(here.stack.config / "service-keys.json"))
        assert [check for check in checks if check.ok is False] == []
        told = json.loads(document)["narrative"]
        print(told)
        assert "What keeps it there: A-3 (took 11 days)" in told
        assert "was 0 % of 4 when the execution began and is 0 % of 9" in " ".join(told.split())
        assert 'measured again, "mean-days" was met' in " ".join(told.split())


def fetched(here: Office, case: str, what: str = "attestations") -> bytes:
    token = here.actors["g.examiner"].login().token
    answer = httpx.get(
        f"{here.stack.urls['auditor']}/v1/{what}/{quote(case)}",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return answer.content
