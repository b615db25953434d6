r"""Observations as services write them, cut out of the text of the event: what the database takes without reading it.

That nothing else can be meant rests on three things. The ledger takes only JSON. What is cut out, put together again
between what is before and behind it, is the whole event: each mark below stands where it is said to. And none of the
pieces has in it what would give a mark another meaning:

- before `,"data":` is one opening brace, the event's own: `data` is an attribute of the event. The quote of the mark
  opens a string, for behind one that it closed `data` could not stand;
- the values up to the row hold neither quote nor backslash: each ends where it is cut, and each name behind it is
  one. The row is JSON by itself, so that it ends where it is cut, too, and the names behind it are names;
- behind the data there is no other `data`.

So the data has these attributes, each once, in the order of RFC 8785, and each is what is cut out. Whatever is
written otherwise is not taken, and read as ever.
"""

from __future__ import annotations

from common.entities.rows import NO_SEQUENCE
from common.events.observer import EntityObserved

_TYPE = ',"data":{"entity_type":"'
_ROW = '","row":{'
_SEQUENCE = '},"sequence":'
_TIME = ',"simulated":false,"source_time":"'
_BEHIND = '"},"datacontenttype":"application/json",'


def _part(text: str, mark: str, number: int) -> str:
    return f"split_part({text}, '{mark}', {number})"


# One subquery for each that reads what the former cut: OFFSET keeps them apart, or all would be cut again and
# again.
_CUT = f"""
    SELECT position, id, event, {_part("event", _ROW, 1)} AS front, {_part("event", _ROW, 2)} AS back
    FROM ledger.events
    WHERE position > $1 AND position <= $2 AND type = '{EntityObserved.TYPE}' OFFSET 0
"""  # noqa: S608
_CUT = f"""
    SELECT position, id, event, {_part("front", _TYPE, 1)} AS head, {_part("front", _TYPE, 2)} AS names,
           {_part("back", _TIME, 1)} AS body, {_part("back", _TIME, 2)} AS tail
    FROM ({_CUT}) e OFFSET 0
"""  # noqa: S608
_CUT = f"""
    SELECT position, id, event, head, names, {_part("names", '"', 1)} AS t, {_part("names", '"', 5)} AS f,
           {_part("names", '"', 9)} AS k, nullif({_part("names", '"', 13)}, '') AS origin,
           {_part("body", _SEQUENCE, 1)} AS body, {_part("body", _SEQUENCE, 2)} AS sequence,
           {_part("tail", '"', 1)} AS time, {_part("tail", '"', 5)} AS upstream_id,
           {_part("tail", _BEHIND, 2)} AS tail
    FROM ({_CUT}) e OFFSET 0
"""  # noqa: S608
# The time is one that is read so everywhere: no hour 24, no second 60, no other zone. What is none stops the
# statement.
_CUT = f"""
    SELECT position, id, event, head, names, t, f, k, origin, upstream_id, tail,
           '{{' || body || CASE WHEN sequence = '' THEN '' ELSE '}}' END AS r,
           CASE WHEN time LIKE '____-__-__T__:__:__%Z' THEN time::timestamptz END AS at,
           CASE WHEN length(sequence) < 17 AND translate(sequence, '0123456789', '') = '' AND sequence <> ''
               THEN sequence::bigint END AS s
    FROM ({_CUT}) e OFFSET 0
"""  # noqa: S608
_WHOLE = f"""
    event = head || '{_TYPE}' || t || '","feed":"' || f || '","key":"' || k || coalesce('","origin":"' || origin, '')
        || '","row":' || r || coalesce(',"sequence":' || s, '')
        || '{_TIME}' || replace(replace(at::text, ' ', 'T'), '+00', 'Z') || '","upstream_id":"' || upstream_id
        || '{_BEHIND}' || tail
    AND strpos(substr(head, 2), '{{') = 0
    AND strpos(names, '\\') = 0 AND r IS JSON OBJECT
    AND strpos(tail, '"data"') = 0 AND strpos(tail, '\\') = 0
"""
# No number that is none there (beyond a double), or another one there: of more digits than a double is sure to keep.
# The ledger takes no half characters.
_READABLE = r"""
    event COLLATE "C" !~ '[\[,:\s]-?[0-9]([0-9.]*[eE]|[0-9.]{16})'
"""


def plain(table: str) -> str:
    """The statement that puts what is plain of the observations after $1 and up to $2 into `table`."""
    return f"""
        INSERT INTO {table} (t, k, r, f, at, s, i, p)
        SELECT t, k, r, f, at, coalesce(s, {NO_SEQUENCE}), id, position FROM ({_CUT}) e WHERE {_WHOLE} AND {_READABLE}
    """  # noqa: S608
