"""Tells the findings scenario: from an empty folder to an attestation that is checked on the spot."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

import httpx
import typer
from auditor.core.verification import verified, verify
from common.directory import Directory
from common.errors import Refused
from common.service_keys import ServiceKeys

from cli.demo import findings, scene
from cli.demo.actors import Actors
from cli.demo.feeds import Feeds
from cli.demo.findings import Story
from cli.demo.scene import EXAMPLES, Scene
from cli.demo.screen import SIMULATED, Screen
from cli.demo.stage import Telling, shown

EXIT_FAILED = 1
TIMEOUT_S = 30.0
OPEN_STAGES = {
    "withheld": "confidential, for people only",
    "to-verify": "acted on, not proven yet",
    "to-confirm": "to confirm",
    "refused": "with a refused plan",
}


def tell(telling: Telling) -> None:
    """The whole of it."""
    screen = telling.screen
    screen.title(
        "Trueup demo: 80 published audit findings, 47 of them on money",
        f"The findings are real, up to 3 July 2023. {SIMULATED} marks what is simulated: people, later events.",
        "The services, the ledger, the bus, the signatures and every decision path are the real ones.",
    )
    telling.clear()
    stage = scene.make(
        telling.folder,
        realm="demo",
        people=findings.CAST,
        feeds=(findings.FINDINGS, findings.RETESTS),
        target=("ticketing", EXAMPLES / "findings" / "ticketing.sql"),
        starts=findings.STARTS,
        timezone=findings.TIMEZONE,
        broker=telling.broker,
        detached=telling.keep,
        tell=lambda line: screen.step("start", line),
    )
    with stage.stack:
        _tell(screen, stage)
        telling.end(stage, "e.weber")


def _tell(screen: Screen, stage: Scene) -> None:
    urls = stage.stack.urls
    screen.step("start", f"{len(stage.keys)} people {SIMULATED} sign in, each with a key of their own")
    actors = Actors(urls["approver"], stage.keys)
    try:
        feeds = Feeds(urls["observer"], stage.tokens, stage.requests)
        story = Story(actors, feeds, EXAMPLES / "findings", screen)
        story.tell()
        _show_attestation(screen, actors, stage)
        _show_figures(screen, story, stage)
    finally:
        actors.close()


def _show_attestation(screen: Screen, actors: Actors, stage: Scene) -> None:
    session = actors["e.weber"].login()
    address = f"{stage.stack.urls['auditor']}/v1/attestations/{quote(findings.SHOWN)}"
    answer = httpx.get(address, headers={"authorization": f"Bearer {session.token}"}, timeout=TIMEOUT_S)
    if not answer.is_success:
        raise Refused("no_attestation", f"the auditor has none for {findings.SHOWN}: {answer.text[:300]}")
    document: dict[str, Any] = answer.json()
    screen.text(document["narrative"])
    file = stage.stack.folder / "attestation-2022-090.json"
    file.write_bytes(answer.content)
    directory, keys = stage.stack.config / "directory.json", stage.stack.config / "service-keys.json"
    options = (f"--directory {shown(directory)}", f"--service-keys {shown(keys)}")
    screen.text(" \\\n    ".join((f"trueup audit verify {shown(file)}", *options)))
    checks = verify(answer.content, Directory.read(directory), service_keys=ServiceKeys.read(keys))
    screen.checks(checks)
    if not verified(checks):
        raise typer.Exit(EXIT_FAILED)
    screen.text(f"Verified: {len(checks)} checks, none failed, without any service and without the network.")


def _show_figures(screen: Screen, story: Story, stage: Scene) -> None:
    counts = Counter(stage.counts())
    stages = story.stages()
    attested = stages.pop("attested", 0)
    screen.table(
        "Figures",
        [
            (str(sum(counts.values())), "events in the ledger", ""),
            (str(story.open_before), "cases opened on 3 July 2023", "of 47 findings on money"),
            (str(story.by_clock), "cases opened later", "by the clock alone"),
            (str(counts["trueup.gap.confirmed.v1"]), "gaps confirmed", f"by people {SIMULATED}"),
            (str(counts["trueup.plan.drafted.v1"]), "plans drafted", "by the deterministic playbook planner"),
            (
                str(counts["trueup.plan.authorised.v1"]),
                "plans approved",
                f"by people {SIMULATED} with their own keys",
            ),
            (str(counts["trueup.action.succeeded.v1"]), "actions done", _actions(counts, stage)),
            (str(attested), "cases closed and attested", "after 30 days of soak"),
            (str(sum(stages.values())), "cases open on 23 October 2023", "of which:"),
            *_open(stages, story),
            (f"{screen.seconds:.1f}", "seconds", "start of the services included"),
        ],
    )


def _actions(counts: Counter[str], stage: Scene) -> str:
    by_hand = counts["trueup.outcome.recorded.v1"]
    return f"{stage.requests()} requests at Level 3, {by_hand} released at Level 2 and done by hand {SIMULATED}"


def _open(stages: Counter[str], story: Story) -> list[tuple[str, str, str]]:
    """A row for each stage; where a number is not the one told on the way, why."""
    why = {
        "to-confirm": f"{story.confirmed_again()} of them again: what fails has changed since they were confirmed",
        "withheld": f"{story.withheld} on 3 July; the others are to be confirmed again",
    }
    return [
        (str(count), f"  {OPEN_STAGES.get(stage, stage)}", why.get(stage, ""))
        for stage, count in stages.most_common()
    ]
