"""The findings scenario: 80 published audit findings, 47 on money, from the day after many promises ran out.

The findings up to 3 July 2023 are real. The people, what they decide, the work they do by hand, and everything that
upstream systems report after that day are simulated, and marked [*] on screen and `simulated` in the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.objectives.population import POPULATION

from cli.demo.actors import Actors
from cli.demo.cast import Member
from cli.demo.feeds import Feeds
from cli.demo.reality import Reality, Row
from cli.demo.screen import SIMULATED, Screen

STARTS = "2023-07-03T13:00:00Z"
TIMEZONE = "America/New_York"
SHOWN = "money-findings-closed/2022-090/1"
FINDINGS, RETESTS = "audit-tracker", "control-testing"

CAST = (
    Member("c.adeyemi", "C. Adeyemi", ("declaration-author",)),
    Member("t.brandt", "T. Brandt", ("declaration-approver",)),
    Member(
        "j.moreau",
        "J. Moreau",
        (
            "control-owner/Defense, Veterans and Emergency Management",
            "control-owner/Labor",
            "control-owner/Economic and Community Development",
        ),
    ),
    Member("k.lund", "K. Lund", ("control-owner/Health and Human Services",)),
    Member("m.ito", "M. Ito", ("control-owner/Education", "control-owner/Administrative and Financial Services")),
    Member("h.salonen", "H. Salonen", ("head-of-compliance",)),
    Member("a.lindqvist", "A. Lindqvist", ("compliance-lead",)),
    Member("r.osei", "R. Osei", ("risk",)),
    Member("p.nakamura", "P. Nakamura", ("technology-operations",)),
    Member("m.duarte", "M. Duarte", ("head-of-controls",)),
    Member("i.novak", "I. Novak", ("internal-audit",)),
    Member("e.weber", "E. Weber", ("examiner",)),
    Member("s.clock", "Demo clock", ("clock-keeper",)),
)
CONFIRMERS = ("j.moreau", "k.lund", "m.ito", "h.salonen")
APPROVERS = ("a.lindqvist", "r.osei")
RELEASER = "p.nakamura"
IMPLEMENTERS = ("m.duarte", "i.novak")
CLOCK = "s.clock"


@dataclass
class Story:
    """One telling of the scenario. `examples` is the folder of its declarations and data."""

    actors: Actors
    feeds: Feeds
    examples: Path
    screen: Screen
    reality: Reality = field(init=False)
    decisions: Counter[str] = field(default_factory=Counter)
    open_before: int = 0
    by_clock: int = 0
    withheld: int = 0
    confirmed: set[str] = field(default_factory=set)
    acted_on: list[str] = field(default_factory=list)
    reported: dict[str, dict[str, Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reality = Reality(self.examples / "single-audit-147110-2022.csv")

    def tell(self) -> None:
        """From the declaration to the last attestation."""
        self.declare()
        self.first_look()
        self.confirm()
        self.approve()
        self.carry_out()
        self.wait_for_proof()

    # -- 3 July

    def declare(self) -> None:
        self.screen.date("3 July 2023: say what good is")
        proposal = self.actors["c.adeyemi"].propose(
            self.examples / "findings.yaml", comment="The standard, section 4, as agreed in June."
        )
        documents = len(proposal["documents"])
        self.screen.step("declare", f"C. Adeyemi {SIMULATED} proposes findings.yaml: {documents} documents, one unit")
        self.actors.settle(CLOCK)  # until what it would change is worked out: nobody signs unseen
        self.actors["t.brandt"].activate(proposal["id"], comment="Previewed with trueup diff; as expected.")
        self.screen.step("declare", f"T. Brandt {SIMULATED}, another person, activates it")
        self.actors.settle(CLOCK)

    def first_look(self) -> None:
        count = self._report(FINDINGS)
        self.screen.step("observe", f"{count} findings imported from the published audit")
        self.actors.settle(CLOCK)
        stages = self.stages()
        self.open_before = stages.total()
        self.screen.step(
            "diff",
            f"{stages['to-confirm'] + stages['undecided']} cases opened: {stages['to-confirm']} gaps,"
            f" {stages['undecided']} that can't be decided",
        )
        together = [line["case"] for line in self.actors["e.weber"].cases() if line["key"] == POPULATION]
        for case in together:
            rules = self.actors["e.weber"].case(case)["gap"]["data"]["rules"]
            told = "; ".join(f"{rule['name']}: {rule['says'].rstrip('.')}" for rule in rules)
            self.screen.step("diff", f"one of them is for all findings together: {told}")

    def confirm(self) -> None:
        def answer(_kind: str, page: dict[str, Any]) -> tuple[str, str] | None:
            undecided = all(rule["status"] == "unknown" for rule in page["gap"]["data"]["rules"])
            return None if undecided else ("confirm", "Confirmed; this is how it stands.")

        done = self._work(CONFIRMERS, ("confirm",), answer)
        self.screen.step(
            "confirm", f"{done['confirm']} gaps confirmed by {len(CONFIRMERS)} people {SIMULATED} who know them"
        )
        self.actors.settle(CLOCK)
        stages = self.stages()
        self.withheld = stages["withheld"]
        self.confirmed = {line["case"] for line in self.actors["e.weber"].cases()} - self._waiting()
        self.screen.step(
            "plan",
            f"{stages['to-approve']} plans drafted, {self.withheld} withheld (confidential findings: people only)",
        )

    # -- 5 July

    def approve(self) -> None:
        self._to("2023-07-05T13:00:00Z", "5 July: people decide on the plans")
        refused: set[str] = set()

        def answer(kind: str, page: dict[str, Any]) -> tuple[str, str] | None:
            case = page["case"]
            together = page["gap"]["data"]["key"] == POPULATION
            doubtful = page["plan"]["data"]["risk"] == "medium" and not (refused or together) and case != SHOWN
            if kind == "refuse" and (doubtful or case in refused):
                refused.add(case)
                return "refuse", "The procedure must name who reviews it; draft it again with the owner."
            if kind == "approve" and not doubtful and case not in refused:
                return "approve", "Evidence first, then the procedure; agreed."
            return None

        lead = self._work(("a.lindqvist",), ("approve",), lambda *_: ("approve", "Agreed."))
        self.screen.step("approve", f"A. Lindqvist {SIMULATED}, compliance lead, approves {lead['approve']} plans")
        risk = self._work(("r.osei",), ("approve", "refuse"), answer)
        self.screen.step(
            "approve", f"R. Osei {SIMULATED}, risk, approves {risk['approve']} and refuses {risk['refuse']}"
        )
        self.actors.settle(CLOCK)

    def carry_out(self) -> None:
        self.screen.step(
            "execute", f"{self.feeds.requests()} requests written into the ticketing database at Level 3"
        )
        released = 0
        for _ in range(20):  # limits let through only so many at once: release, do, release again
            done = self._work((RELEASER,), ("release",), lambda *_: ("release", "Inside the window."))
            self.actors.settle(CLOCK)
            done += self._work(
                IMPLEMENTERS, ("outcome",), lambda *_: ("outcome", "Published; version noted in the library.")
            )
            self.actors.settle(CLOCK)
            released += done["release"]
            if not done:
                break
        self.screen.step(
            "execute", f"{released} steps released by P. Nakamura {SIMULATED} at Level 2, done by hand {SIMULATED}"
        )

    # -- summer and autumn

    def wait_for_proof(self) -> None:
        self.acted_on = self._late()
        self._to("2023-08-04T13:00:00Z", "4 August: the monthly snapshot")
        self._snapshots()
        self._to("2023-08-31T13:00:00Z", f"31 August: management reports fixes complete {SIMULATED}")
        self.reality.complete(self.acted_on)
        self._snapshots()
        self._to("2023-09-20T13:00:00Z", f"20 September: Internal Audit retests {SIMULATED}")
        self.reality.retest(sorted(self.reality.touched), "2023-09-20")
        self._snapshots()
        stages = self.stages()
        self.screen.step("verify", f"{stages['soaking']} proofs seen by the auditor; each must hold for 30 days")
        before = stages.total()
        self._to("2023-10-02T13:00:00Z", "2 October: two more promises ran out, and no message came")
        self.by_clock = self.stages().total() - before
        self.screen.step("diff", f"{self.by_clock} cases opened by the clock alone")
        self._snapshots()
        self._to("2023-10-23T13:00:00Z", "23 October: the soak is over")
        self._snapshots()
        stages = self.stages()
        self.screen.step("attest", f"{stages['attested']} cases closed and attested")

    def _late(self) -> list[str]:
        """Findings with an executed plan whose fix was late or unproven: these come to be fixed (simulated)."""
        examiner = self.actors["e.weber"]
        pages = [examiner.case(line["case"]) for line in examiner.cases(stage="to-verify")]
        return sorted(
            page["gap"]["data"]["key"]
            for page in pages
            for rule in page["gap"]["data"]["rules"]
            if rule["name"] in ("fixed", "shown") and rule["status"] == "missed"
        )

    # -- tools

    def _snapshots(self) -> None:
        told = [self._again(FINDINGS, "findings")]
        told += [self._again(RETESTS, "retests")] if self.reality.retests else []
        self.screen.step("observe", f"snapshot: {'; '.join(told)}")
        self.actors.settle(CLOCK)

    def _again(self, feed: str, what: str) -> str:
        before = self.reported.get(feed, {})
        count = self._report(feed)
        changed = sum(before.get(key) != row for key, row in self.reported[feed].items())
        return f"{count} {what}, {changed or 'none'} {'changed' if before else 'new'}"

    def _report(self, feed: str) -> int:
        rows = self.reality.findings if feed == FINDINGS else self.reality.retests
        kind = "finding" if feed == FINDINGS else "retest"
        self.reported[feed] = {key: dict(row) for key, row in rows.items()}
        simulated = set(rows) if feed == RETESTS else self.reality.touched
        return self.feeds.snapshot(feed, kind, rows, simulated, self.actors[CLOCK].realm()["now"])

    def _to(self, moment: str, title: str) -> None:
        self.screen.date(title)
        self.actors.settle(CLOCK)
        self.actors[CLOCK].advance(moment)
        self.actors.settle(CLOCK)

    def _work(self, people: Any, kinds: Any, answer: Any) -> Counter[str]:
        done = self.actors.work(people, kinds, answer)
        self.decisions += done
        return done

    def _waiting(self) -> set[str]:
        """The cases that wait to be confirmed, or can't be decided, now."""
        lines = self.actors["e.weber"].cases()
        return {line["case"] for line in lines if line["stage"] in ("to-confirm", "undecided")}

    def confirmed_again(self) -> int:
        """How many cases that were confirmed on 3 July wait for it again, because what fails has changed since."""
        return len(self.confirmed & self._waiting())

    def stages(self) -> Counter[str]:
        """How many cases stand at each stage now."""
        return Counter(line["stage"] for line in self.actors["e.weber"].cases())
