"""Simulated people at work: each looks at their own inbox over the real API and decides with their own key."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from common.errors import Refused

from cli.client import Client

Page = dict[str, Any]
Answer = Callable[[str, Page], tuple[str, str] | None]
"""(kind of decision, case page) -> (kind to decide, comment), or None to leave it."""

QUIET_TIMEOUT_S = 120.0
LOOK_S = 10.0
"""How long the approver waits for the others before it says who is behind."""
QUIET_LOOKS, PAUSE_S = 2, 0.02
"""Quiet is what is quiet twice in a row: a message may be on its way while one looks."""


class Actors:
    """The people of a realm, signed in. Close it in the end."""

    def __init__(
        self, url: str, keys: Mapping[str, Path], connect: Callable[[str, str, Path], Client] = Client
    ) -> None:
        self._clients = {person: connect(url, person, path) for person, path in keys.items()}
        for client in self._clients.values():
            client.login()

    def __getitem__(self, person: str) -> Client:
        return self._clients[person]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def settle(self, observer: str) -> None:
        """Return when every service has handled all that was said; `observer` is who looks.

        Raises `Refused` (`not_quiescent`) naming who is behind after two minutes.
        """
        deadline = time.monotonic() + QUIET_TIMEOUT_S
        quiet = 0
        while True:
            realm = self[observer].realm(quiescent_within=LOOK_S)
            quiet = quiet + 1 if realm["quiescent"] else 0
            if quiet == QUIET_LOOKS:
                return
            if time.monotonic() > deadline:
                raise Refused("not_quiescent", f"still behind: {', '.join(realm['behind'])}", "Look: trueup status")
            time.sleep(PAUSE_S)

    def work(self, people: Iterable[str], kinds: Iterable[str], answer: Answer) -> Counter[str]:
        """Let `people` go through their inboxes once and decide what `answer` says. Counts decisions by kind."""
        wanted = set(kinds)
        done: Counter[str] = Counter()
        for person in people:
            client = self[person]
            for line in list(client.cases(mine=True)):
                if wanted & set(line["yours"]):
                    done += _decide(client, client.case(line["case"]), wanted, answer)
        return done


def _decide(client: Client, page: Page, wanted: set[str], answer: Answer) -> Counter[str]:
    done: Counter[str] = Counter()
    for action in page["actions"]:
        if action["kind"] not in wanted:
            continue
        said = answer(action["kind"], page)
        if said is None or said[0] != action["kind"]:
            continue
        result = "done" if said[0] == "outcome" else None
        client.decide(
            said[0],
            page["case"],
            comment=said[1],
            step=action["decision"].get("step"),
            role=action["decision"]["role"],
            result=result,
            page=page,
        )
        done[said[0]] += 1
        if said[0] not in ("release", "outcome"):
            break  # one answer a case; the others (dispute, refuse) are the alternatives to it
    return done
