"""What every scenario needs of the command: a screen, a folder that it may empty, and where to look afterwards."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from common.errors import Refused

from cli.demo.scene import Scene
from cli.demo.screen import Screen
from cli.stack import operations
from cli.stack.stack import BrokerKind


@dataclass(frozen=True, slots=True)
class Telling:
    """How a scenario is told. `folder` is for its data and logs; `keep`: leave everything running."""

    screen: Screen
    folder: Path
    keep: bool
    broker: BrokerKind

    def clear(self) -> None:
        """Start from nothing; refuse while an earlier demo is still running there."""
        if not self.folder.exists():
            return
        if operations.status(self.folder).running:
            told = f"a demo is still running in {self.folder}"
            raise Refused("demo_running", told, f"End it: trueup down --data {self.folder}")
        shutil.rmtree(self.folder)

    def end(self, stage: Scene, person: str) -> None:
        """Say where to look, as `person`, or that all of it is stopped now."""
        if not self.keep:
            self.screen.text("Stopping what was started (leave it running with: trueup demo --keep) ...")
            return
        urls, folder = stage.stack.urls, shown(stage.stack.folder)
        self.screen.text(
            f"Still running. Look at:\n"
            f"  {urls['approver']}/docs   the approver's API\n"
            f"  {urls['auditor']}/docs   the auditor's API\n"
            f"  trueup login --url {urls['approver']} --person {person} --key {folder}/people/{person}.key\n"
            f"  trueup cases\n"
            f"  trueup status --data {folder}\n"
            f"End it with: trueup down --data {folder}"
        )


def shown(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
