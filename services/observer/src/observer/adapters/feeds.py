"""The feeds' tokens, read again when their file changes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

_log = logging.getLogger(__name__)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class WatchedFeeds:
    """`{feed: SHA-256 of its token}` as the file has it now; each question asks the file system.

    A changed file that can't be used leaves the former standing, and is logged once. Raises ValueError when it can't
    be used from the beginning. `path` None: there are no feeds.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp = self._look()
        self._feeds = read_feeds(path)

    def __call__(self) -> Mapping[str, str]:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._feeds = read_feeds(self._path)
            except ValueError as error:
                _log.error("the feeds' file can't be used, the former one stands: %s", error)
        return self._feeds

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status is not None else None


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
