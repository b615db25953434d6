"""Provider `sql`: one parameterised statement on a target database, with its receipt in the same transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from common.declarations import sql
from common.events.executor import ActionIntended

from executor.ports import InDoubt, NoEffect, Order, Unreachable

CONNECT_S = 5.0
ASK_S = 10.0
ACT_S = 20.0

_LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)
_ASK = "SELECT idempotency_key, case_id, plan, step, recorded_at FROM trueup_receipts WHERE idempotency_key = $1"
_RECEIPT = (
    "INSERT INTO trueup_receipts (idempotency_key, case_id, plan, step) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (idempotency_key) DO NOTHING RETURNING recorded_at"
)


class SqlTargets:
    """The target databases by system name (`dsns`, asked each time). Each call uses a connection of its own: an
    action is rare, and nothing of one case can leak into the next. The receipt's key is unique in the target: a
    second attempt waits for a first one that is still under way, and finds its receipt."""

    def __init__(self, dsns: Callable[[], Mapping[str, str]]) -> None:
        self._dsns = dsns

    async def receipt(self, intent: ActionIntended) -> dict[str, Any] | None:
        """See `Targets.receipt`."""
        try:
            async with asyncio.timeout(CONNECT_S + ASK_S):
                connection = await self._connect(intent.system)
                try:
                    row = await connection.fetchrow(_ASK, intent.idempotency_key)
                finally:
                    await _close(connection)
        except (*_LOST, asyncpg.PostgresError) as error:
            raise Unreachable("target_unreachable", f"{intent.system}: {_told(error)}") from error
        return None if row is None else _receipt(intent, row["recorded_at"], None)

    async def act(self, order: Order) -> dict[str, Any]:
        """See `Targets.act`."""
        intent = order.intent
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._connect(intent.system)
        except (*_LOST, asyncpg.PostgresError) as error:
            raise NoEffect("target_unreachable", f"{intent.system} was not reached: {_told(error)}") from error
        try:
            return await _once(connection, order)
        finally:
            await _close(connection)

    async def _connect(self, system: str) -> Any:
        dsn = self._dsns().get(system)
        if dsn is None:
            hint = f"trueup targets add {system} (or targets.json)"
            raise NoEffect("target_not_configured", f"no address is configured for {system}; name it: {hint}")
        return await asyncpg.connect(dsn, timeout=CONNECT_S, server_settings={"application_name": "trueup executor"})


async def _once(connection: Any, order: Order) -> dict[str, Any]:
    """Receipt and statement in one transaction. Nothing has an effect until the commit is sent."""
    intent = order.intent
    transaction = connection.transaction()
    try:
        async with asyncio.timeout(ACT_S):
            await transaction.start()
            recorded_at = await connection.fetchval(
                _RECEIPT, intent.idempotency_key, intent.case, intent.plan, intent.step
            )
            if recorded_at is None:
                row = await connection.fetchrow(_ASK, intent.idempotency_key)
                await transaction.rollback()
                return _receipt(intent, row["recorded_at"], None)
            rows = await _run(connection, order)
    except asyncpg.PostgresError as error:
        raise NoEffect("target_refused", f"{intent.system} refused the action: {_told(error, order)}") from error
    except _LOST as error:
        raise NoEffect("target_lost", f"{intent.system} was lost before the commit: {_told(error, order)}") from error
    try:
        async with asyncio.timeout(ACT_S):
            await transaction.commit()
    except asyncpg.IntegrityConstraintViolationError as error:  # a deferred constraint: the commit rolled back
        raise NoEffect("target_refused", f"{intent.system} refused the action: {_told(error, order)}") from error
    except (*_LOST, asyncpg.PostgresError) as error:
        raise InDoubt(
            "commit_in_doubt", f"{intent.system} was lost during the commit: {_told(error, order)}"
        ) from error
    return _receipt(intent, recorded_at, rows)


async def _run(connection: Any, order: Order) -> int:
    text, names = sql.numbered(order.statement)
    statement = await connection.prepare(text)
    given = {**order.intent.parameters, "case_id": order.intent.case, "entity_key": order.entity_key}
    kinds = statement.get_parameters()
    values = []
    for name, kind in zip(names, kinds, strict=True):
        try:
            values.append(_bound(given.get(name), kind.name))
        except (ValueError, ArithmeticError) as error:
            told = str(error) if not order.sensitive_key else type(error).__name__
            raise NoEffect("parameter_refused", f":{name} does not fit the target's {kind.name}: {told}") from error
    await statement.fetch(*values)
    return _count(statement.get_statusmsg())


_READ: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "timestamptz": lambda text: _aware(datetime.fromisoformat(text)),
    "timestamp": datetime.fromisoformat,
    "numeric": Decimal,
    "int2": int,
    "int4": int,
    "int8": int,
    "float8": float,
}
_TEXTS = ("text", "varchar", "bpchar", "name", "unknown")
_JSON = ("json", "jsonb")


def _bound(value: Any, kind: str) -> Any:
    """The Python value that the driver binds to a target parameter of type `kind`; never part of the statement."""
    if value is None:
        return None
    if kind in _JSON:
        return json.dumps(value)
    if kind in _TEXTS:
        return ", ".join(value) if isinstance(value, list) else str(value)
    if kind in _READ and not isinstance(value, list | bool):
        return _READ[kind](str(value))
    return value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _count(status: str) -> int:
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _receipt(intent: ActionIntended, recorded_at: datetime, rows: int | None) -> dict[str, Any]:
    receipt: dict[str, Any] = {
        "system": intent.system,
        "idempotency_key": intent.idempotency_key,
        "recorded_at": recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    return receipt if rows is None else {**receipt, "rows": rows}


def _told(error: BaseException, order: Order | None = None) -> str:
    """What the error says; where the key is sensitive no more than its kind, because targets quote what they got."""
    if order is not None and order.sensitive_key:
        return f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
    return f"{type(error).__name__}: {error}".strip().rstrip(":")[:500]


async def _close(connection: Any) -> None:
    """Close without waiting long: an open transaction is rolled back by the server when the connection ends."""
    try:
        await connection.close(timeout=2.0)
    except (*_LOST, asyncpg.PostgresError):
        connection.terminate()
