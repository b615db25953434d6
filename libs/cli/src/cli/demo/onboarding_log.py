"""Where the log of the onboarding scenario is expected: it is not the project's to pass on."""

from __future__ import annotations

from pathlib import Path

from common.errors import Refused

from cli.demo.scene import EXAMPLES

LOG = EXAMPLES.parents[1] / "shared" / "data" / "bpic2012" / "bpic2012.xes.gz"
SOURCE = "doi.org/10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f"


def the_log() -> Path:
    """The file. Raises `Refused` (`log_missing`) where there is none."""
    if not LOG.is_file():
        raise Refused(
            "log_missing",
            f"the log of BPI Challenge 2012 is not at {LOG}; this project may not redistribute it",
            f"Get it from {SOURCE} and put it there; see examples/onboarding/SOURCE.md.",
        )
    return LOG
