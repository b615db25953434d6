"""Tells the vendors scenario: coverage from 60 to 100 %, and what a later list does to it."""

from __future__ import annotations

from collections import Counter

from cli.audit.service import Auditor
from cli.demo import proof, scene, vendors
from cli.demo.actors import Actors
from cli.demo.feeds import Feeds
from cli.demo.scene import EXAMPLES, Scene
from cli.demo.screen import SIMULATED, Screen
from cli.demo.stage import Telling
from cli.demo.vendors import Story


def tell(telling: Telling) -> None:
    """The whole of it."""
    screen = telling.screen
    screen.title(
        "Trueup demo: 30 critical vendors, 18 of them assessed in time",
        "CISA's list of exploited vulnerabilities is real, as of 4 April and of 25 August 2025.",
        f"{SIMULATED} marks what is simulated: the bank, its vendors, its assessments and its people.",
        "The services, the ledger, the bus, the signatures and every decision path are the real ones.",
    )
    telling.clear()
    stage = scene.make(
        telling.folder,
        realm="demo",
        people=vendors.CAST,
        feeds=(vendors.MASTER, vendors.ASSESSMENTS, vendors.LIST),
        target=("vendor-risk", EXAMPLES / "vendors" / "vendor-risk.sql"),
        starts=vendors.STARTS,
        timezone=vendors.TIMEZONE,
        broker=telling.broker,
        detached=telling.keep,
        tell=lambda line: screen.step("start", line),
    )
    with stage.stack:
        _tell(screen, stage)
        telling.end(stage, vendors.EXAMINER)


def _tell(screen: Screen, stage: Scene) -> None:
    urls = stage.stack.urls
    screen.step("start", f"{len(stage.keys)} people {SIMULATED} sign in, each with a key of their own")
    actors = Actors(urls["approver"], stage.keys)

    def auditor() -> Auditor:
        return Auditor(urls["auditor"], actors[vendors.EXAMINER].login().token)

    try:
        feeds = Feeds(urls["observer"], stage.tokens, stage.requests)
        story = Story(actors, feeds, auditor, EXAMPLES / "vendors", screen)
        story.tell()
        proof.show(screen, actors, stage, vendors.SHOWN)
        _show_figures(screen, story, stage)
    finally:
        actors.close()


def _show_figures(screen: Screen, story: Story, stage: Scene) -> None:
    counts = Counter(stage.counts())
    stages = story.stages()
    screen.table(
        "Figures",
        [
            (str(sum(counts.values())), "events in the ledger", ""),
            (str(story.opened["start"]), "cases opened on 7 April 2025", "of 30 critical vendors"),
            (str(story.opened["clock"]), "cases opened in May, due soon", "by the clock alone"),
            (str(story.opened["news"]), "cases opened on 26 August", "by the second list"),
            (str(story.urgent), "plans approved by the senior analyst", "the urgent ones"),
            (
                str(counts["trueup.action.succeeded.v1"]),
                "actions done",
                f"{stage.requests()} drafts at Level 3",
            ),
            (str(stages["attested"]), "cases closed and attested", "after a day of soak"),
            (
                str(stages.total() - stages["attested"]),
                "cases open on 30 August",
                "late since 28 August",
            ),
            (f"{screen.seconds:.1f}", "seconds", "start of the services included"),
        ],
    )
