"""What the observer is told by its environment, beside what every service is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from common.settings import Settings

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class ObserverSettings(Settings):
    """`feeds` is the path of feeds.json: `{feed: SHA-256 in hex of its bearer token}`. Without it the API lets
    nobody in; the bus has its own users."""

    feeds: Path | None = None


def read_feeds(path: Path | None) -> Mapping[str, str]:
    """The feeds and the digests of their tokens. Raises ValueError, naming the file, for anything else in it."""
    if path is None:
        return {}
    try:
        feeds = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"TRUEUP_FEEDS: {path} can't be read: {error}") from error
    if not isinstance(feeds, dict):
        raise ValueError(f"TRUEUP_FEEDS: {path} must hold an object: feed -> SHA-256 of its token, in hex")  # noqa: TRY004
    for feed, token in feeds.items():
        if not isinstance(token, str) or not _SHA256.fullmatch(token):
            raise ValueError(f"TRUEUP_FEEDS: {path}: what stands for {feed!r} is no SHA-256 in hex")
    return feeds
