"""The vendors scenario: 30 critical vendors of a made-up bank, 18 of them assessed in time, and CISA's list.

The list of exploited vulnerabilities is real, twice: as of 4 April and of 25 August 2025. The bank, its vendors,
people, assessments, and what they do are simulated, and marked [*] on screen and `simulated` in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from common.objectives.population import POPULATION

from cli.audit.service import Auditor
from cli.demo.actors import Actors
from cli.demo.bank import Bank
from cli.demo.cast import Member
from cli.demo.feeds import Feeds
from cli.demo.screen import SIMULATED, Screen

STARTS = "2025-04-07T13:00:00Z"
TIMEZONE = "America/New_York"
SHOWN = "critical-vendors-assessed/V-018/1"
MASTER, ASSESSMENTS, LIST = "vendor-master", "vendor-risk", "cisa-kev"
FIRST_LIST, SECOND_LIST = "kev-2025-04-04.csv", "kev-2025-08-25.csv"
RETIERED = ("V-027", "V-028", "V-029")

CAST = (
    Member("c.adeyemi", "C. Adeyemi", ("declaration-author",)),
    Member("t.brandt", "T. Brandt", ("declaration-approver",)),
    Member("j.moreau", "J. Moreau", ("relationship-owner/payments", "relationship-owner/lending")),
    Member("k.lund", "K. Lund", ("relationship-owner/markets", "relationship-owner/operations")),
    Member("h.salonen", "H. Salonen", ("head-of-vendor-risk",)),
    Member("a.lindqvist", "A. Lindqvist", ("vendor-risk-lead",)),
    Member("s.okafor", "S. Okafor", ("senior-analyst",)),
    Member("p.nakamura", "P. Nakamura", ("technology-operations",)),
    Member("m.duarte", "M. Duarte", ("vendor-analysts",)),
    Member("e.weber", "E. Weber", ("examiner",)),
    Member("s.clock", "Demo clock", ("clock-keeper",)),
)
CONFIRMERS, LEAD, SENIOR = ("j.moreau", "k.lund"), "a.lindqvist", "s.okafor"
RELEASER, ANALYST, EXAMINER, CLOCK = "p.nakamura", "m.duarte", "e.weber", "s.clock"


@dataclass
class Story:
    """One telling. `examples` is the folder of the scenario's declarations and data."""

    actors: Actors
    feeds: Feeds
    auditor: Callable[[], Auditor]
    examples: Path
    screen: Screen
    opened: Counter[str] = field(default_factory=Counter)
    urgent: int = 0
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.bank = Bank(self.examples)

    def tell(self) -> None:
        """From the declaration to the last attestation."""
        self.declare()
        self.first_look()
        self.put_right("2025-04-09T13:00:00Z", "9 April: people decide on the plans", "2025-04-15T20:00:00Z")
        self.prove("2025-04-17T13:00:00Z", "17 April: each proof has held for a day")
        self.before_it_is_late()
        self.re_tiered()
        self.later_reality()

    # -- April

    def declare(self) -> None:
        self.screen.date("7 April 2025: say what good is")
        proposal = self.actors["c.adeyemi"].propose(
            self.examples / "vendors.yaml", comment="The standard, section 6."
        )
        told = f"{len(proposal['documents'])} documents, one unit"
        self.screen.step("declare", f"C. Adeyemi {SIMULATED} proposes vendors.yaml: {told}")
        self.actors.settle(CLOCK)  # until what it would change is worked out: nobody signs unseen
        self.actors["t.brandt"].activate(proposal["id"], comment="Previewed with trueup diff; as expected.")
        self.screen.step("declare", f"T. Brandt {SIMULATED}, another person, activates it")
        self.actors.settle(CLOCK)

    def first_look(self) -> None:
        self.bank.publish(FIRST_LIST)
        self._report(LIST, ASSESSMENTS, MASTER)
        aside = sum(row["dueDate"] < row["dateAdded"] for row in self.bank.exploits.values())
        self.screen.step("observe", f"{aside} entries of the list are due before they were added: set aside")
        self._opened("start")
        self._measured("coverage", "lead-time")

    def put_right(self, decide: str, title: str, signed: str) -> None:
        """People confirm, decide and do what the open cases need; the assessments are signed."""
        done = self._work(CONFIRMERS, ("confirm",), "Known, and so it is.")
        self.screen.step("confirm", f"{done['confirm']} gaps confirmed by people {SIMULATED} who know the vendors")
        self._to(decide, title)
        lead, senior = self._work((LEAD,), ("approve",), "Agreed."), self._work((SENIOR,), ("approve",), "First.")
        self.urgent += senior["approve"]
        routed = f", {senior['approve']} urgent ones by the senior analyst" if senior["approve"] else ""
        self.screen.step("approve", f"{lead['approve']} plans approved by the lead {SIMULATED}{routed}")
        released = self._work((RELEASER,), ("release",), "The desk is staffed.")
        told = f"{self.feeds.requests()} drafts at Level 3 so far; {released['release']} steps released at Level 2"
        self.screen.step("execute", told)
        asked, on = date.fromisoformat(decide[:10]), date.fromisoformat(signed[:10])
        self._to(signed, f"{on.day} {on:%B}: analysts sign {SIMULATED}")
        self.bank.sign(self._sign(), asked, on)
        self.actors[CLOCK].advance(f"{on}T23:00:00Z")  # a proof is what was observed after the work
        self._report(ASSESSMENTS, MASTER)

    def _sign(self) -> list[str]:
        """Do by hand what is released, and release what follows. Answers the vendors."""
        signed: dict[str, None] = {}
        for _ in range(20):  # limits let through only so many at once: do, release, do again
            signed |= dict.fromkeys(task["case"].split("/")[1] for task in self.actors[ANALYST].tasks(mine=True))
            done = self._work((ANALYST,), ("outcome",), "Reviewed, corrected and signed.")
            done += self._work((RELEASER,), ("release",), "The desk is staffed.")
            if not done:
                break
        return sorted(signed)

    def prove(self, moment: str, title: str) -> None:
        """The soak passes; what was proven is attested."""
        self._to(moment, title)
        self._report(ASSESSMENTS, MASTER)
        self.screen.step("attest", f"{self.stages()['attested']} cases closed and attested so far")
        self._measured("coverage", "lead-time")

    # -- May and June

    def before_it_is_late(self) -> None:
        self._to("2025-05-08T13:00:00Z", "8 May: no message came, and four assessments come near their last day")
        self._opened("clock")
        self.put_right("2025-05-09T13:00:00Z", "9 May: started in time", "2025-05-14T21:00:00Z")
        self.prove("2025-05-16T13:00:00Z", "16 May: proven before one of them was late")

    def re_tiered(self) -> None:
        self._to("2025-06-10T13:00:00Z", f"10 June: three vendors are critical no more {SIMULATED}")
        self.bank.tier(RETIERED, "high")
        self._report(ASSESSMENTS, MASTER)
        self._measured("coverage")
        self._to("2025-06-12T13:00:00Z", f"12 June: asked about it, the owner puts them back {SIMULATED}")
        self.bank.tier(RETIERED, "critical")
        self._report(ASSESSMENTS, MASTER)
        self._measured("coverage")

    # -- August

    def later_reality(self) -> None:
        self._to("2025-07-22T13:00:00Z", "22 July: the monthly reports")
        self._report(ASSESSMENTS, MASTER)
        self._to("2025-08-26T13:00:00Z", "26 August: CISA's list as published on 25 August")
        new = self.bank.publish(SECOND_LIST)
        self.screen.step("observe", f"{new} vulnerabilities became known as exploited since April")
        self._report(LIST, ASSESSMENTS, MASTER)
        self._opened("news")
        self._measured("news-open")
        self.put_right("2025-08-27T13:00:00Z", "27 August: the urgent ones first", "2025-08-28T21:00:00Z")
        self.prove("2025-08-30T13:00:00Z", "30 August: proven")
        self._measured("news-open")

    # -- tools

    def _report(self, *feeds: str) -> None:
        rows = {MASTER: self.bank.vendors, ASSESSMENTS: self.bank.assessments, LIST: self.bank.exploits}
        kinds = {MASTER: "vendor", ASSESSMENTS: "assessment", LIST: "exploit"}
        told = []
        for feed in feeds:
            simulated = set(rows[feed]) if feed != LIST else set()
            now = self.actors[CLOCK].realm()["now"]
            count = self.feeds.snapshot(feed, kinds[feed], rows[feed], simulated, now)
            told.append(f"{count:,} {kinds[feed]}s{'' if feed == LIST else f' {SIMULATED}'}")
        self.screen.step("observe", f"snapshot: {', '.join(told)}")
        self.actors.settle(CLOCK)

    def _opened(self, why: str) -> None:
        lines = list(self.actors[EXAMINER].cases())
        new = [line for line in lines if line["case"] not in self.known]
        self.known |= {line["case"] for line in new}
        self.opened[why] = len(new)
        urgent = sum(line["severity"] == "urgent" for line in new)
        how = (
            " by the clock alone: due soon, and none of them late" if why == "clock" else f", {urgent} of them urgent"
        )
        self.screen.step("diff", f"{len(new)} cases opened{how}")
        for line in new:
            if line["key"] == POPULATION:
                self.screen.step("diff", "one of them is for all vendors together: an objective is missed")

    def _measured(self, *names: str) -> None:
        with self.auditor() as auditor:
            found = {item["data"]["objective"]: item["data"] for item in auditor.objectives()}
        for name in names:
            data = found[name]
            self.screen.step("measure", f"{name}: {data['standing']}; {data['says']}; {data['wanted']}")

    def _to(self, moment: str, title: str) -> None:
        self.screen.date(title)
        self.actors.settle(CLOCK)
        self.actors[CLOCK].advance(moment)
        self.actors.settle(CLOCK)

    def _work(self, people: Sequence[str], kinds: Sequence[str], comment: str) -> Counter[str]:
        def answer(kind: str, _page: dict[str, Any]) -> tuple[str, str] | None:
            return (kind, comment) if kind in kinds else None

        done = self.actors.work(people, kinds, answer)
        self.actors.settle(CLOCK)
        return done

    def stages(self) -> Counter[str]:
        """How many cases stand at each stage now."""
        return Counter(line["stage"] for line in self.actors[EXAMINER].cases())
