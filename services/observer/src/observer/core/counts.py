"""A control total that a feed sent: how many entities of a type it holds, as of the envelope's time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from common.canonical import MAX_INTEGER

from observer.core.rejections import Rejected
from observer.core.sources import EntityRule

MAX_SUMS = 20
FIELDS = frozenset(("entity_type", "keys_digest", "rows", "simulated", "sums"))
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)


@dataclass(slots=True)
class Count:
    """One control total that passed every check. `as_of` is RFC 3339 in UTC; `sums` are decimal texts."""

    feed: str
    upstream_id: str
    entity_type: str
    as_of: str
    rows: int
    keys_digest: str | None = None
    sums: dict[str, str] = field(default_factory=dict)
    simulated: bool = False


def counted(attributes: Any, data: dict[str, Any], rule: EntityRule, as_of: str) -> Count:
    """The control total that checked `attributes` and `data` are. Raises `Rejected` (`data_malformed`)."""
    rows, keys_digest, simulated = data.get("rows"), data.get("keys_digest"), data.get("simulated", False)
    if type(rows) is not int or not 0 <= rows <= MAX_INTEGER:
        raise Rejected("data_malformed", "data.rows must be a whole number: how many entities the source holds")
    if keys_digest is not None and (type(keys_digest) is not str or not _DIGEST.fullmatch(keys_digest)):
        raise Rejected("data_malformed", "data.keys_digest must be a SHA-256 in lower-case hex")
    if keys_digest is not None and rule.sensitive_key:
        raise Rejected("data_malformed", "data.keys_digest can't be compared: nobody may read the keys of this type")
    if type(simulated) is not bool:
        raise Rejected("data_malformed", "data.simulated must be true or false")
    sums = _sums(data.get("sums", {}), rule)
    feed, upstream_id = attributes["source"], attributes["id"]
    return Count(feed, upstream_id, data["entity_type"], as_of, rows, keys_digest, sums, simulated)


def _sums(sums: Any, rule: EntityRule) -> dict[str, str]:
    if type(sums) is not dict or len(sums) > MAX_SUMS:
        raise Rejected("data_malformed", f"data.sums must be an object of at most {MAX_SUMS} columns")
    for column, value in sums.items():
        if column in rule.sensitive:
            raise Rejected("data_malformed", "data.sums names a column that nobody may read")
        if type(value) is not str or not _DECIMAL.fullmatch(value):
            raise Rejected("data_malformed", 'a sum in data.sums must be a decimal in a text: "1234.50"')
    return dict(sums)
