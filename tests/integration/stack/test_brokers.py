"""The broker that the session runs on: topics, and on Apache Kafka who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from cli.stack import cluster, permissions
from cli.stack.broker import Broker
from cli.stack.cluster import Credentials, Permission, sasl
from cli.stack.realm import Bus, Realm, prepare_bus
from cli.stack.stack import AnyBroker, BrokerKind, make_broker


@pytest.fixture(scope="module")
def own_broker(session_folder: Path, broker_kind: BrokerKind) -> Iterator[AnyBroker]:
    """One that may be restarted."""
    with make_broker(broker_kind, session_folder / "own") as running:
        yield running


def access(credentials: Credentials | None) -> dict[str, str]:
    return {} if credentials is None else sasl(credentials)


async def partitions(bus: Bus) -> dict[str, int]:
    client = AIOKafkaAdminClient(bootstrap_servers=bus.address, **access(bus.credentials("admin")))
    await client.start()
    try:
        return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}
    finally:
        await client.close()


async def send(bus: Bus, user: str, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bus.address, **access(bus.credentials(user)))
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"value", key=b"key")
    finally:
        await producer.stop()


async def receive(bus: Bus, user: str, topic: str, group: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bus.address,
        group_id=group,
        auto_offset_reset="earliest",
        **access(bus.credentials(user)),
    )
    try:
        await consumer.start()
        record = await consumer.getone()
        value: bytes | None = record.value
        return value
    finally:
        await consumer.stop()


async def test_a_realm_has_the_topics_of_the_table(realm: Realm) -> None:
    assert realm.bus is not None
    found = await partitions(realm.bus)
    wanted = permissions.partitions(realm.name)
    assert {name: found.get(name) for name in wanted} == wanted


async def test_the_producer_writes_and_the_consumer_reads(realm: Realm) -> None:
    assert realm.bus is not None
    topic = f"trueup.{realm.name}.gaps.v1"
    await send(realm.bus, "differ", topic)
    assert await receive(realm.bus, "planner", topic, f"trueup.{realm.name}.planner") == b"value"


async def test_after_a_restart_the_address_is_the_same_and_the_topics_are_there(own_broker: AnyBroker) -> None:
    prepare_bus(own_broker, "again")
    address, before = own_broker.address, own_broker.cluster_id
    own_broker.restart()
    prepare_bus(own_broker, "again")
    assert own_broker.address == address
    assert await partitions(own_broker) | permissions.partitions("again") == await partitions(own_broker)
    if isinstance(own_broker, Broker):
        assert own_broker.cluster_id != before, "it is empty, and consumers must be able to see that"
    else:
        assert own_broker.cluster_id == before


def test_the_broker_answers_with_its_cluster_id(own_broker: AnyBroker) -> None:
    assert cluster.id_of(own_broker.address, own_broker.credentials("admin")) == own_broker.cluster_id


@pytest.fixture
def strict_realm(realm: Realm, broker_kind: BrokerKind) -> Bus:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker knows no users; `make test-kafka` runs this")
    assert realm.bus is not None
    return realm.bus


async def test_kafka_refuses_a_foreign_writer(strict_realm: Bus, realm: Realm) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await send(strict_realm, "planner", f"trueup.{realm.name}.approvals.v1")


async def test_kafka_refuses_a_foreign_reader_and_a_foreign_group(strict_realm: Bus, realm: Realm) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await receive(strict_realm, "observer", f"trueup.{realm.name}.plans.v1", f"trueup.{realm.name}.observer")
    with pytest.raises(GroupAuthorizationFailedError):
        await receive(strict_realm, "planner", f"trueup.{realm.name}.gaps.v1", f"trueup.{realm.name}.auditor")


async def test_kafka_withdraws_what_a_former_version_allowed(
    strict_realm: Bus, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, group = f"trueup.{realm.name}.state.v1", f"trueup.{realm.name}.auditor"
    now = permissions.of_realm
    more = Permission("auditor", "read", "topic", topic)
    prepare_bus(strict_realm, "neighbour")
    with monkeypatch.context() as former:
        former.setattr(permissions, "of_realm", lambda name: [*now(name), more])
        prepare_bus(strict_realm, realm.name)
    await send(strict_realm, "observer", topic)
    assert await receive(strict_realm, "auditor", topic, group) == b"value"
    prepare_bus(strict_realm, realm.name)
    with pytest.raises(TopicAuthorizationFailedError):
        await receive(strict_realm, "auditor", topic, group)
    await send(strict_realm, "observer", topic)
    await send(strict_realm, "observer", "trueup.neighbour.state.v1")


def test_kafka_refuses_a_wrong_password_and_a_stranger(strict_realm: Bus) -> None:
    assert cluster.id_of(strict_realm.address, None) is None
    assert cluster.id_of(strict_realm.address, Credentials("planner", "guess")) is None


async def test_kafka_takes_the_idempotent_producer(strict_realm: Bus, realm: Realm) -> None:
    login = access(strict_realm.credentials("differ"))
    producer = AIOKafkaProducer(bootstrap_servers=strict_realm.address, enable_idempotence=True, acks="all", **login)
    await producer.start()
    try:
        sent = await producer.send_and_wait(f"trueup.{realm.name}.gaps.v1", b"value")
        assert sent.topic == f"trueup.{realm.name}.gaps.v1"
    finally:
        await producer.stop()
