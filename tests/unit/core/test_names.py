"""Names derive from their cause; the tables of topics and rights agree with the registry."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from common import ids, topics
from common.clock import instant, parse_instant
from common.events import MODELS, WRITER
from hypothesis import example, given
from hypothesis import strategies as st


def test_the_same_cause_gives_the_same_id_and_another_cause_another() -> None:
    first = ids.event_id("t", "gap/a", "cause")
    assert first == ids.event_id("t", "gap/a", "cause")
    assert len({first, ids.event_id("t", "gap/a", "other"), ids.event_id("t", "gap/b", "cause")}) == 3


@given(st.text(max_size=250))
@example("0\n")  # `$` also matches before a final newline
def test_a_key_never_breaks_a_stream_name(text: str) -> None:
    if ids.is_key(text):
        assert ids.entity_stream("finding", text).split("/") == ["entity", "finding", text]
        assert text.strip() == text != ""


def test_every_category_has_one_writer_and_one_topic() -> None:
    writers: dict[str, set[str]] = {}
    for service, category, event_type in topics.rights():
        writers.setdefault(category, set()).add(service)
        assert WRITER[event_type] == service
        assert topics.topic_of(f"{category}/x").producer == service
    assert all(len(services) == 1 for services in writers.values())
    assert set(writers) == set(topics.BY_CATEGORY)
    assert len(topics.rights()) == len(MODELS)


def test_topics_stand_in_loop_order() -> None:
    """A topic's producer comes, in the order of the services, where the topic comes in the table."""
    first = [topics.SERVICES.index(topic.producer) for topic in topics.TOPICS if topic.producer]
    assert first == sorted(first)
    assert {service for topic in topics.TOPICS for service in topic.consumers} == set(topics.SERVICES)


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))
def test_an_instant_reads_back(moment: datetime) -> None:
    assert parse_instant(instant(moment)) == moment.astimezone(UTC)
    assert instant(moment).endswith("Z")


@pytest.mark.parametrize("text", ["2023-07-03", "2023-07-03T00:00:00", "yesterday", ""])
def test_an_instant_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_instant(text)


def test_who_listens_to_a_topic_gets_nothing_of_it_on_the_bus() -> None:
    for topic in topics.TOPICS:
        assert not set(topic.listeners) & set(topic.consumers)
        assert set(topic.readers) <= set(topics.SERVICES)
        assert topic.producer is not None or not topic.listeners, "what others write is not in the ledger"
