"""What PostgreSQL lets every login do, and a realm must not: taken away when a realm is installed or migrated.

Rights to PostgreSQL's own functions are its superuser's to give, one database at a time.
"""

from __future__ import annotations

from typing import Any

# Storage beside all tables, which no policy and no audit knows; and a way to fill the write-ahead log.
_OPEN = r"""
SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
  AND (p.proname LIKE 'lo\_%' OR p.proname IN ('loread', 'lowrite', 'pg_logical_emit_message'))
ORDER BY 1
"""


async def left_open(connection: Any) -> list[str]:
    """PostgreSQL's functions for large objects and the like that every login of this database may call."""
    return [row[0] for row in await connection.fetch(_OPEN)]


async def close(connection: Any) -> None:
    """Take them away from everybody, in the caller's transaction. Does nothing for an administrator who is no
    superuser: `left_open` then says what a superuser has to see to."""
    if not await connection.fetchval("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"):
        return
    if functions := await left_open(connection):
        await connection.execute(f"REVOKE EXECUTE ON FUNCTION {', '.join(functions)} FROM PUBLIC")
