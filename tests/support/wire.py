"""Protobuf messages to and from the JSON of the models, by the descriptors that `buf build` makes of proto/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

ROOT = Path(__file__).parents[2]
VALUE = "trueup.v1.Value"


def pool() -> descriptor_pool.DescriptorPool:
    """Compiles proto/ with buf."""
    buf = Path(sys.executable).parent / "buf"
    image = subprocess.run(
        [buf, "build", "proto", "-o", "-", "--as-file-descriptor-set"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    files = descriptor_pb2.FileDescriptorSet.FromString(image)
    result = descriptor_pool.DescriptorPool()
    for file in files.file:
        result.Add(file)
    return result


def message_class(types: descriptor_pool.DescriptorPool, name: str) -> type[Message]:
    return message_factory.GetMessageClass(types.FindMessageTypeByName(f"trueup.v1.{name}"))


def is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def has_plain_values(field: Any) -> bool:
    """Whether the values of a map are no messages."""
    return field.message_type.fields_by_name["value"].message_type is None


def fill(message: Message, data: dict[str, Any]) -> Message:
    """Put the JSON object `data` into `message`. A field that the message does not have raises KeyError."""
    for name, value in data.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if is_map(field):
            target = getattr(message, name)
            for key, item in value.items():
                if has_plain_values(field):
                    target[key] = item
                else:
                    set_item(target[key], item)
        elif field.is_repeated:
            target = getattr(message, name)
            for item in value:
                if field.message_type is None:
                    target.append(item)
                else:
                    set_item(target.add(), item)
        elif field.message_type is not None:
            set_item(getattr(message, name), value)
        else:
            setattr(message, name, value)
    return message


def set_item(message: Any, value: Any) -> None:
    if message.DESCRIPTOR.full_name == VALUE:
        set_value(message, value)
    elif message.DESCRIPTOR.name == "TextList":
        message.items.extend(value)
    else:
        message.SetInParent()
        fill(message, value)


def set_value(message: Any, value: Any) -> None:
    if value is None:
        message.null.SetInParent()
    elif isinstance(value, bool):
        message.flag = value
    elif isinstance(value, int):
        message.number = value
    elif isinstance(value, str):
        message.text = value
    elif isinstance(value, list):
        message.list.SetInParent()
        for item in value:
            set_value(message.list.items.add(), item)
    else:
        message.object.SetInParent()
        for key, item in value.items():
            set_value(message.object.fields[key], item)


def read(message: Message) -> dict[str, Any]:
    """The JSON object that `message` stands for; optional fields that are not set are left out."""
    result: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if is_map(field):
            plain = has_plain_values(field)
            result[field.name] = {key: item if plain else read_item(item) for key, item in value.items()}
        elif field.is_repeated:
            result[field.name] = [item if field.message_type is None else read_item(item) for item in value]
        elif not field.has_presence or message.HasField(field.name):
            result[field.name] = value if field.message_type is None else read_item(value)
    return result


def read_item(message: Any) -> Any:
    if message.DESCRIPTOR.full_name == VALUE:
        return read_value(message)
    return list(message.items) if message.DESCRIPTOR.name == "TextList" else read(message)


def read_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "null":
        return None
    if kind == "list":
        return [read_value(item) for item in message.list.items]
    if kind == "object":
        return {key: read_value(item) for key, item in message.object.fields.items()}
    return getattr(message, kind)
