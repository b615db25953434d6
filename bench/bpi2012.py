"""The BPI 2012 log through all services, in event time: 262,200 events, each day reported when it has passed.

`bpi2012_replay_s`: from the first event sent until every service has handled the last, with the onboarding example in
force: at each midnight of the replay clock deadlines fire and objectives are measured. The services run already, and
the log is read. Reference: the log parsed by a plain XML parser, nothing else done. The log is not the project's to
pass on: without it nothing is measured, and that is said.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from cli.demo import on_onboarding as onboarding
from cli.demo import scene
from cli.demo.actors import Actors
from cli.demo.onboarding_log import LOG, by_days
from cli.demo.screen import Screen

EVENTS = 262_200


def measure() -> list[dict[str, Any]]:
    if not LOG.is_file():
        sys.stderr.write(f"bpi2012: skipped, the log is not at {LOG} (examples/onboarding/SOURCE.md)\n")
        return []
    plain = _plain()
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        replay, midnights = _replayed(Path(folder))
    return [
        {
            "name": "bpi2012_replay_s",
            "value": replay,
            "unit": "s",
            "reference_name": "the log parsed by a plain XML parser",
            "reference": plain,
            "ratio": replay / plain,
            "events": EVENTS,
            "midnights": midnights,
        }
    ]


def _plain() -> float:
    began, count = time.perf_counter(), 0
    with gzip.open(LOG) as file:
        for _, element in ElementTree.iterparse(file):  # noqa: S314 - the reference: one known file, plainly read
            if element.tag.endswith("}trace"):
                count += sum(child.tag.endswith("}event") for child in element)
                element.clear()
    if count != EVENTS:
        sys.exit(f"the log has {count} events, not {EVENTS}: it is another one")
    return time.perf_counter() - began


def _replayed(folder: Path) -> tuple[float, int]:
    """Seconds, and how many midnights passed."""
    Path(folder).chmod(0o755)
    stage = scene.make(
        folder / "realm",
        realm="bench",
        people=onboarding.CAST,
        feeds=(onboarding.ORIGINATION, onboarding.KYC),
        target=None,
        starts=onboarding.STARTS,
        timezone=onboarding.TIMEZONE,
    )
    with stage.stack:
        actors = Actors(stage.stack.urls["approver"], stage.keys)
        try:
            onboarding.declare(Screen(quiet=True), actors)
            days = by_days(LOG, onboarding.ORIGINATION, "application", ZoneInfo(onboarding.TIMEZONE))
            began = time.perf_counter()
            count = onboarding.replayed(stage, actors).tell(days)
            took = time.perf_counter() - began
        finally:
            actors.close()
    if count != EVENTS:
        sys.exit(f"{count} events were sent, not {EVENTS}")
    return took, len(days) - 1
