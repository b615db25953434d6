"""The pydantic models, the messages of proto/ and the JSON on the bus say the same, message by message."""

from __future__ import annotations

import inspect
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import orjson
import pytest
from common.canonical import canonical
from common.events import MODELS, approver, auditor, differ, executor, observer, planner
from common.events.envelope import Event
from common.events.model import Fact, Part, Value
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observer.core.protobuf_data import LAYOUTS
from pydantic import BaseModel
from support import wire

PARTS = sorted(
    {
        member
        for module in (observer, differ, planner, approver, executor, auditor)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Part)
        and member.__module__ == module.__name__
        and member not in (differ.GapSnapshot, differ.ObjectiveSnapshot)
    }
    | {Fact},
    key=lambda model: model.__name__,
)
TYPES = wire.pool()
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=8)
INTEGER = st.integers(-(2**53) + 1, 2**53 - 1)
SCALAR = TEXT | INTEGER | st.booleans() | st.none()
ANY = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2))


def strategy(annotation: Any) -> st.SearchStrategy[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == Value:
        return SCALAR | st.lists(TEXT, max_size=2)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*(strategy(arg) for arg in args))
    if origin is list:
        return st.lists(strategy(args[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(TEXT, strategy(args[1]), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example(annotation)
    return {str: TEXT, int: INTEGER, bool: st.booleans(), type(None): st.none(), Any: ANY}[annotation]


@cache
def example(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    fields = {name: strategy(field.annotation) for name, field in model.model_fields.items()}
    return st.fixed_dictionaries(fields).map(model.model_validate)


@pytest.mark.parametrize("model", PARTS, ids=lambda model: model.__name__)
def test_model_and_message_have_the_same_fields(model: type[BaseModel]) -> None:
    message = TYPES.FindMessageTypeByName(f"trueup.v1.{model.__name__}")
    assert {field.name for field in message.fields} == set(model.model_fields)
    for field in message.fields:
        annotation = model.model_fields[field.name].annotation
        nullable = type(None) in get_args(annotation)
        assert field.is_repeated == (get_origin(annotation) in (list, dict)), field.name
        if not field.is_repeated and field.message_type is None:
            assert field.has_presence == nullable, f"{field.name}: optional in one, required in the other"


@pytest.mark.parametrize("model", PARTS, ids=lambda model: model.__name__)
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_model_to_message_to_json_and_back_is_the_same(model: type[BaseModel], data: st.DataObject) -> None:
    instance = data.draw(example(model))
    json = orjson.loads(canonical(instance.model_dump(mode="json", exclude_none=True)))
    message = wire.fill(wire.message_class(TYPES, model.__name__)(), json)
    again = wire.message_class(TYPES, model.__name__).FromString(message.SerializeToString(deterministic=True))
    assert wire.read(again) == json
    assert model.model_validate(wire.read(again)) == instance


def test_every_event_type_has_a_message() -> None:
    for event_type, model in MODELS.items():
        assert TYPES.FindMessageTypeByName(f"trueup.v1.{model.__name__}"), event_type


def test_the_envelope_has_the_fields_of_the_message() -> None:
    event = Event(
        id="i", source="differ", type="t", subject="s", time="t", asof="a", actor="x",
        data={"n": [1, None, {"a": True}]},
        caseid="c", correlationid="k", causationid="k", streamversion=1, traceparent="p", signature="s",
    )  # fmt: skip
    json = orjson.loads(event.encode())
    message = wire.fill(wire.message_class(TYPES, "Event")(), json)
    assert {field.name for field in message.DESCRIPTOR.fields} == set(json)
    assert wire.read(message) == json
    assert Event.decode(canonical(wire.read(message))) == event


WRITTEN = {"string": "length", "message": "length", "int64": "integer", "bool": "flag"}


def test_the_observer_reads_upstream_messages_as_they_are_described() -> None:
    described = {
        "Entry": TYPES.FindMessageTypeByName("trueup.v1.Object").nested_types_by_name["FieldsEntry"],
        **{name: TYPES.FindMessageTypeByName(f"trueup.v1.{name}") for name in LAYOUTS if name != "Entry"},
    }
    kinds = {getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): written for kind, written in WRITTEN.items()}
    assert described.keys() == LAYOUTS.keys()
    for name, message in described.items():
        fields = {field.name: (field.number, kinds[field.type]) for field in message.fields}
        assert fields == LAYOUTS[name], name
