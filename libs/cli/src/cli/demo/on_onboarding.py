"""Tells the onboarding scenario: 13,087 loan applications of 2011 and 2012, replayed in event time.

The events are real; the people are simulated. There is no KYC system: nobody can say whether KYC was complete.
"""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

from common.declarations.values import day_text
from common.events.differ import Measured
from common.objectives.evidence import sentences
from common.objectives.population import POPULATION

from cli.audit import service
from cli.audit.report import told
from cli.demo import scene
from cli.demo.actors import Actors
from cli.demo.cast import Member
from cli.demo.onboarding_log import Day, Replay, by_days, the_log
from cli.demo.scene import EXAMPLES, Scene
from cli.demo.screen import SIMULATED, Screen
from cli.demo.stage import Telling

STATE = "accounts-opened-in-three-days"
ORIGINATION, KYC = "loan-origination", "kyc-system"
TIMEZONE = "Europe/Amsterdam"
STARTS = "2011-09-30T22:00:00Z"
CLOCK, EXAMINER = "s.clock", "e.weber"
CAST = (
    Member("h.visser", "H. Visser", ("declaration-author", "head-of-onboarding")),
    Member("t.brandt", "T. Brandt", ("declaration-approver",)),
    Member("l.bakker", "L. Bakker", ("team-lead",)),
    Member("p.jansen", "P. Jansen", ("process-owner",)),
    Member("k.smit", "K. Smit", ("kyc-officer",)),
    Member("n.okafor", "N. Okafor", ("technology-operations", "it-service")),
    Member(EXAMINER, "E. Weber", ("examiner",)),
    Member(CLOCK, "Demo clock", ("clock-keeper",)),
)


def tell(telling: Telling) -> None:
    """The whole of it."""
    path = the_log()
    screen = telling.screen
    screen.title(
        "Trueup demo: 13,087 loan applications, wanted within three days and never before KYC is complete",
        "The 262,200 events are real (BPI Challenge 2012), each reported as of the day on which it happened.",
        f"{SIMULATED} marks what is simulated: people. There is no KYC system, so KYC is Unknown.",
    )
    telling.clear()
    stage = scene.make(
        telling.folder,
        realm="demo",
        people=CAST,
        feeds=(ORIGINATION, KYC),
        target=None,
        starts=STARTS,
        timezone=TIMEZONE,
        broker=telling.broker,
        detached=telling.keep,
        tell=lambda line: screen.step("start", line),
    )
    with stage.stack:
        actors = Actors(stage.stack.urls["approver"], stage.keys)
        try:
            declare(screen, actors)
            screen.step("observe", f"reading {path.name}")
            days = by_days(path, ORIGINATION, "application", ZoneInfo(TIMEZONE))
            _replay(screen, stage, actors, days)
            _remedy(screen, actors)
            _figures(screen, stage, actors)
        finally:
            actors.close()
        telling.end(stage, EXAMINER)


def declare(screen: Screen, actors: Actors) -> None:
    """Propose the example and put it in force."""
    proposal = actors["h.visser"].propose(EXAMPLES / "onboarding" / "onboarding.yaml", comment="As agreed.")
    actors.settle(CLOCK)  # until what it would change is worked out: nobody signs unseen
    actors["t.brandt"].activate(proposal["id"], comment="Previewed with trueup diff; as expected.")
    count = len(proposal["documents"])
    screen.step(
        "declare", f"H. Visser {SIMULATED} proposes onboarding.yaml, {count} documents; T. Brandt activates it"
    )
    actors.settle(CLOCK)


def _replay(screen: Screen, stage: Scene, actors: Actors, days: list[Day]) -> None:
    replay = replayed(stage, actors)
    sent = 0

    def at_night(day: Day) -> None:
        nonlocal sent
        sent += len(day.messages)
        if (day.day.day == 1 and day.day != days[0].day) or day is days[-1]:
            actors.settle(CLOCK)
            screen.date(day_text(day.day))
            screen.step("observe", f"{sent:,} events so far")
            screen.step("diff", _open(actors))
            for line in _standings(stage, actors):
                screen.step("measure", line)

    replay.tell(days, at_night)


def replayed(stage: Scene, actors: Actors) -> Replay:
    """The replay on this stage: whoever moves the clock waits for everybody."""
    return Replay(
        stage.stack.urls["observer"],
        stage.tokens[ORIGINATION],
        actors[CLOCK].advance,
        lambda: actors.settle(CLOCK),
    )


def _open(actors: Actors) -> str:
    stages = Counter(line["stage"] for line in actors[EXAMINER].cases())
    if not stages:
        return "nothing is in force before 1 February 2012"
    return f"{stages['to-confirm']:,} gaps to confirm, {stages['undecided']:,} undecided: KYC is unknown"


def _standings(stage: Scene, actors: Actors) -> list[str]:
    with service.Auditor(stage.stack.urls["auditor"], actors[EXAMINER].login().token) as auditor:
        lines = [told(one, None) for one in auditor.objectives(None)]
    return [f"{line['objective']:<10} {line['standing']:<9} {line['now']}; {line['wanted']}" for line in lines]


def _remedy(screen: Screen, actors: Actors) -> None:
    """What is done about the process itself: its objectives are one case, answered by changes for all."""
    case = f"{STATE}/{POPULATION}/1"
    if case not in {line["case"] for line in actors["l.bakker"].cases()}:
        screen.step("plan", "nothing about the process itself: every objective is on its path")
        return
    page = actors["l.bakker"].case(case)
    for rule in page["gap"]["data"]["rules"][:1]:  # of the others the page tells as much
        for sentence in sentences(Measured.model_validate(rule["measured"]), 1):
            screen.step("evidence", f"{rule['name']}: {sentence}")
    actors["l.bakker"].decide("confirm", case, comment="So it is, month after month.", page=page)
    screen.step("confirm", f"L. Bakker {SIMULATED}, team lead: the process itself falls short")
    actors.settle(CLOCK)
    plan = actors[EXAMINER].case(case)["plan"]["data"]
    for step in plan["steps"]:
        given = step["parameters"]
        screen.step("plan", f"{step['action']} from {given['from']}: {given.get('rule') or given['change']}")
    screen.step("plan", f"{plan['risk']} risk: process owner and KYC officer decide, nothing changes before")


def _figures(screen: Screen, stage: Scene, actors: Actors) -> None:
    counts = Counter(stage.counts())
    stages = Counter(line["stage"] for line in actors[EXAMINER].cases())
    screen.table(
        "Figures",
        [
            (f"{counts['trueup.entity.observed.v1']:,}", "events of the log in the ledger", "all of them"),
            (f"{sum(counts.values()):,}", "events in the ledger", ""),
            (f"{stages.total():,}", "cases opened since 1 February 2012", ""),
            (f"{stages['undecided']:,}", "undecided", "accounts of which nobody can say whether KYC was complete"),
            (f"{stages['to-confirm']:,}", "gaps to confirm", "slow, standing still, or not validated"),
            (f"{screen.seconds:.1f}", "seconds", "start of the services included"),
        ],
    )
