"""What a realm's database is made of, as comparable lines: whatever its rows are, and however it came to be."""

from __future__ import annotations

from typing import Any

from common.schemas import SCHEMAS

_PARTS = {
    "schema": "SELECT nspname, pg_get_userbyid(nspowner), nspacl::text[] FROM pg_namespace WHERE nspname = ANY ($1)",
    "relation": """
        SELECT c.oid::regclass::text, c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
               (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) AS a)
        FROM pg_class c WHERE c.relnamespace = ANY ($1::text[]::regnamespace[]) AND c.relkind <> 'i'
    """,
    "column": """
        SELECT a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid),
               (SELECT array_agg(g::text ORDER BY g::text) FROM unnest(a.attacl) AS g)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = ANY ($1::text[]::regnamespace[]) AND c.relkind = 'r' AND a.attnum > 0
          AND NOT a.attisdropped
    """,
    "index": "SELECT schemaname, indexdef FROM pg_indexes WHERE schemaname = ANY ($1)",
    "constraint": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = ANY ($1::text[]::regnamespace[])
    """,
    "policy": """
        SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies
        WHERE schemaname = ANY ($1)
    """,
    "trigger": """
        SELECT pg_get_triggerdef(t.oid), t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = ANY ($1::text[]::regnamespace[]) AND NOT t.tgisinternal
    """,
    "function": """
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner),
               (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(p.proacl) AS a)
        FROM pg_proc p WHERE p.pronamespace = ANY ($1::text[]::regnamespace[])
    """,
    "version": "SELECT version_num FROM ledger.schema_versions WHERE $1::text[] IS NOT NULL",
    "migration": "SELECT schema, number, name, digest FROM ledger.migrations WHERE schema = ANY ($1)",
    "service": "SELECT role, service, rights, signed FROM ledger.services WHERE $1::text[] IS NOT NULL",
    "topic": "SELECT topic, service FROM ledger.topics WHERE $1::text[] IS NOT NULL",
}


_SQL_BODIES = """
    SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = ANY ($1::text[]::regnamespace[]) AND prosqlbody IS NOT NULL
"""


async def structure(connection: Any, realm: str) -> list[str]:
    """Schemas, relations, columns, indexes, constraints, policies, triggers, functions, owners and grants, with the
    ledger's own lists of who may do what. `connection` is an administrator's; `realm` reads `{realm}` in it."""
    lines: list[str] = []
    await connection.execute("SET search_path = pg_catalog")
    transaction = connection.transaction()
    await transaction.start()
    for (said,) in await connection.fetch(_SQL_BODIES, list(SCHEMAS)):  # as a dump writes it: BETWEEN is read as two
        await connection.execute(said)
    for part, query in _PARTS.items():
        for row in await connection.fetch(query, list(SCHEMAS)):
            lines.append(f"{part}: {tuple(row)!r}".replace(f"{realm}_", "{realm}_"))
    await transaction.rollback()
    return sorted(lines)
