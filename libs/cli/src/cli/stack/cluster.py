"""What the stack asks of a broker, whichever it is: is it there, make topics, allow users.

Blocking, for supervisors and tests. Each call has its own connection and runs on a thread of its own, so that
it also works while an event loop runs in the caller's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import (
    CreateAclsRequest,
    CreateAclsRequest_v1,
    DeleteAclsRequest,
    DeleteAclsRequest_v1,
    DescribeAclsRequest,
)

from cli.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST_TIMEOUT_MS = 10_000
TOPIC_EXISTS = 36
PROPAGATION_CHECKS = 500
PROPAGATION_PAUSE_S = 0.02
T = TypeVar("T")

# Kafka's protocol numbers
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
OPERATIONS = {"read": 3, "write": 4, "describe": 8, "idempotent_write": 12}
PATTERNS = {"literal": 3, "prefixed": 4}
ALLOW = 3
ANY = 1


@dataclass(frozen=True, slots=True)
class Credentials:
    """A SCRAM-SHA-512 user."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Permission:
    """`user` may do `operation` (a key of OPERATIONS) on the `resource` (a key of RESOURCES) of that name."""

    user: str
    operation: str
    resource: str
    name: str
    pattern: str = "literal"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to completion on a loop and thread of its own; an exception comes out as itself."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # carried over to the caller, whatever it is
            failure.append(error)

    thread = threading.Thread(target=target, name="stack-request")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def id_of(address: str, credentials: Credentials | None) -> str | None:
    """The cluster's id, from a metadata request; None while nobody answers one."""
    try:
        return run(_id_of(address, credentials))
    except (KafkaError, OSError, TimeoutError):
        return None


def create_topics(address: str, credentials: Credentials | None, partitions: Mapping[str, int]) -> None:
    """Create those that are missing and return when the broker knows them all.

    One that exists keeps its partitions and messages.
    """
    run(_create_topics(address, credentials, partitions))


def allow(address: str, credentials: Credentials, permissions: Sequence[Permission], prefix: str) -> None:
    """Return when the broker applies these access rules, and no others of their users to what is named `prefix`...:
    those of a former version are withdrawn. Repeatable."""
    run(_allow(address, credentials, permissions, prefix))


@asynccontextmanager
async def _admin(address: str, credentials: Credentials | None) -> AsyncIterator[Any]:
    access = {} if credentials is None else sasl(credentials)
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=REQUEST_TIMEOUT_MS, **access)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


def sasl(credentials: Credentials) -> dict[str, str]:
    """aiokafka's arguments for logging in."""
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": credentials.user,
        "sasl_plain_password": credentials.password,
    }


async def _id_of(address: str, credentials: Credentials | None) -> str:
    async with _admin(address, credentials) as client:
        described = await client.describe_cluster()
        return str(described["cluster_id"])


async def _create_topics(address: str, credentials: Credentials | None, partitions: Mapping[str, int]) -> None:
    async with _admin(address, credentials) as client:
        wanted = [NewTopic(name, count, 1) for name, count in partitions.items()]
        response = await client.create_topics(wanted)
        for name, code, *message in response.topic_errors:
            if code not in (0, TOPIC_EXISTS):
                raise StackError(
                    "topic_not_created",
                    f"The broker at {address} refused to create topic {name}: error {code}, {message}.",
                    "Look at the broker's log; the number is Kafka's own.",
                )
        await _until(lambda: _topics_known(client, frozenset(partitions)), "topics are known to the broker")


async def _topics_known(client: Any, names: frozenset[str]) -> bool:
    return names <= frozenset(await client.list_topics())


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """The controller answers before the broker has heard; wait for the broker, bounded."""
    for _ in range(PROPAGATION_CHECKS):
        if await holds():
            return
        await asyncio.sleep(PROPAGATION_PAUSE_S)
    seconds = PROPAGATION_CHECKS * PROPAGATION_PAUSE_S
    raise StackError(
        "broker_slow",
        f"After {seconds:.0f} s it does not hold yet that {what}.",
        "The machine is overloaded or the broker hangs; look at its log.",
    )


Rule: TypeAlias = tuple[int, str, int, str, int]
"""Resource, its name, pattern, principal and operation, in Kafka's numbers."""


class _CreateAcls(CreateAclsRequest):  # type: ignore[misc] # aiokafka has no types
    """aiokafka's request carries one rule; the protocol's carries many, and a realm has dozens."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class([(*resource, who, "*", what, ALLOW) for *resource, who, what in self._rules])


class _DeleteAcls(DeleteAclsRequest):  # type: ignore[misc]
    """As `_CreateAcls`."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def build(self, request_struct_class: type[DeleteAclsRequest_v1]) -> DeleteAclsRequest_v1:
        return request_struct_class([(*resource, who, "*", what, ALLOW) for *resource, who, what in self._rules])


async def _allow(address: str, credentials: Credentials, permissions: Sequence[Permission], prefix: str) -> None:
    wanted = [_numbers(permission) for permission in permissions]
    users = {who for *_, who, _ in wanted}

    async def too_many() -> list[Rule]:
        stored = await _rules(client)
        return sorted(rule for rule in stored.difference(wanted) if rule[1].startswith(prefix) and rule[3] in users)

    async def applied() -> bool:
        return not set(wanted) - await _rules(client) and not await too_many()

    async with _admin(address, credentials) as client:
        created = await client._send_request(_CreateAcls(wanted))
        _refused(zip(permissions, created.creation_responses, strict=True))
        if former := await too_many():
            deleted = await client._send_request(_DeleteAcls(former))
            _refused(zip(former, (answer[:2] for answer in deleted.filter_responses), strict=True))
        await _until(applied, "access rules are applied by the broker")


def _refused(answers: Iterable[tuple[object, tuple[int, str | None]]]) -> None:
    for rule, (code, message) in answers:
        if code != 0:
            raise StackError(
                "permission_not_granted",
                f"Kafka refused to add or withdraw the rule {rule}: error {code}, {message}.",
                "Look at Kafka's log; the number is Kafka's own.",
            )


async def _rules(client: Any) -> set[Rule]:
    """All that is allowed."""
    response = await client._send_request(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
    return {
        (resource, name, pattern, principal, operation)
        for resource, name, pattern, rules in response.resources
        for principal, host, operation, permission in rules
        if (host, permission) == ("*", ALLOW)
    }


def _numbers(permission: Permission) -> Rule:
    return (
        RESOURCES[permission.resource],
        permission.name,
        PATTERNS[permission.pattern],
        f"User:{permission.user}",
        OPERATIONS[permission.operation],
    )
