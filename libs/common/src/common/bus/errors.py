"""What kind of failure a failure is: one that may pass, or one that will come again."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError

from common.errors import Transient, TrueupError

_PASSING = (
    Transient,
    OSError,  # also TimeoutError
    KafkaError,
    asyncpg.InterfaceError,  # the connection was closed under us
    asyncpg.InternalClientError,  # the same, while the server's last words were still to be read
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # shutdown, statement_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help. Whatever is not known to pass is taken to come again."""
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return False  # the driver can't put this value into a query, however often it is asked to
    return isinstance(error, _PASSING)


def reason_of(error: BaseException) -> tuple[str, str]:
    """The stable reason code and the message for people."""
    if isinstance(error, TrueupError):
        return error.reason_code, error.message
    if isinstance(error, KafkaError):
        return "bus_unavailable", f"{type(error).__name__}: {error}"
    if isinstance(error, _DATABASE) and is_transient(error):
        return "database_unavailable", f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        return "no_answer", f"{type(error).__name__}: {error}"
    return "handler_failed", f"{type(error).__name__}: {error}"
