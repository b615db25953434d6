"""`trueup demo`: the whole loop on real data, ending with an attestation that is checked on the spot."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated, Any
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
from cli.stack import operations
from cli.stack.commands import BrokerChoice
from cli.stack.errors import StackError

FOLDER = Path(".trueup") / "demo"
EXIT_FAILED = 1
EXIT_REFUSED = 2
TIMEOUT_S = 30.0
OPEN_STAGES = {
    "withheld": "confidential, for people only",
    "to-verify": "acted on, not proven yet",
    "to-confirm": "to confirm",
    "refused": "with a refused plan",
}


def demo(
    scenario: Annotated[str, typer.Argument(help="Which scenario: findings.")] = "findings",
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, and say where to look.")] = False,
    broker: Annotated[BrokerChoice, typer.Option(help="Embedded, or Apache Kafka.")] = BrokerChoice.embedded,
    folder: Annotated[Path, typer.Option("--data", help="Folder for the demo's data and logs.")] = FOLDER,
) -> None:
    """Run the whole loop on real data: declare, observe, diff, confirm, plan, approve, execute, verify, attest."""
    screen = Screen()
    try:
        _check(scenario)
        _run(screen, folder, keep=keep, broker=broker)
    except (Refused, StackError) as error:
        typer.secho(f"{error.reason_code}: {error.message}", err=True, fg="red")
        typer.echo(error.what_to_do, err=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _check(scenario: str) -> None:
    if scenario != "findings":
        raise Refused("unknown_scenario", f"there is no scenario {scenario!r}", "This version has: findings.")


def _run(screen: Screen, folder: Path, *, keep: bool, broker: BrokerChoice) -> None:
    screen.title(
        "Trueup demo: 80 published audit findings, 47 of them on money",
        f"The findings are real, up to 3 July 2023. {SIMULATED} marks what is simulated: people, later events.",
        "The services, the ledger, the bus, the signatures and every decision path are the real ones.",
    )
    _clear(folder)
    stage = scene.make(
        folder,
        realm="demo",
        people=findings.CAST,
        feeds=(findings.FINDINGS, findings.RETESTS),
        target=("ticketing", EXAMPLES / "findings" / "ticketing.sql"),
        starts=findings.STARTS,
        timezone=findings.TIMEZONE,
        broker=broker.value,
        detached=keep,
        tell=lambda line: screen.step("start", line),
    )
    with stage.stack:
        _tell(screen, stage)
        if keep:
            _say_where(screen, stage)
        else:
            screen.text("Stopping what was started (leave it running with: trueup demo --keep) ...")


def _clear(folder: Path) -> None:
    """Start from nothing; refuse while an earlier demo is still running there."""
    if not folder.exists():
        return
    if operations.status(folder).running:
        raise Refused("demo_running", f"a demo is still running in {folder}", f"End it: trueup down --data {folder}")
    shutil.rmtree(folder)


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
    options = (f"--directory {_shown(directory)}", f"--service-keys {_shown(keys)}")
    screen.text(" \\\n    ".join((f"trueup audit verify {_shown(file)}", *options)))
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


def _say_where(screen: Screen, stage: Scene) -> None:
    urls = stage.stack.urls
    folder = _shown(stage.stack.folder)
    screen.text(
        f"Still running. Look at:\n"
        f"  {urls['approver']}/docs   the approver's API\n"
        f"  {urls['auditor']}/docs   the auditor's API\n"
        f"  trueup login --url {urls['approver']} --person e.weber --key {folder}/people/e.weber.key\n"
        f"  trueup cases\n"
        f"  trueup status --data {folder}\n"
        f"End it with: trueup down --data {folder}"
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
