"""What is accepted at most. Each bound is far above honest use and far below what hurts."""

from __future__ import annotations

from datetime import timedelta

MAX_MESSAGE_BYTES = 256 * 1024
MAX_COLUMNS = 200
MAX_CELL_BYTES = 64 * 1024
MAX_ROW_DEPTH = 24
MAX_NAME = 200
"""Characters of an upstream id, a snapshot id or an entity type."""
MAX_FEED = 63
MAX_REASON = 500
FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far a source time may be ahead of the realm clock: the clocks of two machines are never quite equal."""

MAX_KEPT_PAYLOAD_BYTES = 64 * 1024
"""Of a refused message longer than this, only its digest and size are kept."""
MAX_PART_KEYS = 2_000
MAX_SNAPSHOT_ROWS = 1_000_000
MAX_HISTORY = 64
"""Versions of one entity that are compared with a snapshot's row; an entity with more is stored again."""
