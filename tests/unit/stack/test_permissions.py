"""What the bus allows follows from the table of topics, and nothing else is allowed."""

from __future__ import annotations

from cli.stack import permissions
from common import topics


def granted(operation: str, resource: str = "topic") -> set[tuple[str, str]]:
    rules = permissions.of_realm("r")
    return {(rule.user, rule.name) for rule in rules if (rule.operation, rule.resource) == (operation, resource)}


def test_each_topic_is_written_by_its_producer_alone() -> None:
    for topic in topics.TOPICS:
        writers = {user for user, name in granted("write") if name == topic.full_name("r")}
        if topic.producer is not None:
            assert writers == {topic.producer}


def test_only_upstream_writes_observations_and_every_service_its_dead_letters() -> None:
    writers = granted("write")
    assert {user for user, name in writers if name == "trueup.r.observations.v1"} == {"upstream"}
    assert {user for user, name in writers if name == "trueup.r.dead-letters.v1"} == set(topics.SERVICES)


def test_each_topic_is_read_by_its_consumers_alone() -> None:
    readers = granted("read")
    for topic in topics.TOPICS:
        assert {user for user, name in readers if name == topic.full_name("r")} == set(topic.consumers)


def test_a_service_has_consumer_groups_of_its_own_name_and_realm_only() -> None:
    rules = [rule for rule in permissions.of_realm("r") if rule.resource == "group"]
    assert {(rule.user, rule.name, rule.pattern) for rule in rules} == {
        (service, f"trueup.r.{service}", "prefixed") for service in topics.SERVICES
    }


def test_services_see_that_topics_exist_but_outsiders_do_not() -> None:
    assert granted("describe") == {(service, "trueup.r.") for service in topics.SERVICES}


def test_another_realm_is_out_of_reach() -> None:
    names = {rule.name for rule in permissions.of_realm("r")} - {"kafka-cluster"}
    assert all(name.startswith("trueup.r.") for name in names)


def test_partition_counts_are_the_tables() -> None:
    assert permissions.partitions("r") == {topic.full_name("r"): topic.partitions for topic in topics.TOPICS}
