"""What the observer is told by its environment, beside what every service is told."""

from __future__ import annotations

from pathlib import Path

from common.settings import Settings


class ObserverSettings(Settings):
    """`feeds` is the path of feeds.json: `{feed: SHA-256 in hex of its bearer token}`. Without it the API lets
    nobody in; the bus has its own users. `polls` is that of polls.json: the databases that are polled."""

    feeds: Path | None = None
    polls: Path | None = None
