"""Holds JSON against the models of the installed SDK: unknown, mistyped, missing, read-only.

The SDK itself is lax: it takes any field and any type. Here every object must
be one of its models, field by field, down to the last enumeration.
"""

from __future__ import annotations

import datetime
import enum
import functools
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any

import isodate
from azure.mgmt.compute import models

_MODULE = models._models

OPEN = {models.VirtualMachineSizeTypes}
"""Enumerations that name only some of what there is: sizes come every month."""


def violations(value: Any, expected: Any, *, sent: bool, where: str = "$") -> Iterator[str]:
    """What is wrong with ``value`` as ``expected``, a model or a type of the SDK's.

    Args:
        value: parsed JSON.
        expected: as in the SDK's annotations.
        sent: whether it goes to Azure, which forbids read-only fields.
        where: stands before each finding.
    """
    origin = typing.get_origin(expected)
    if expected is Any:
        return
    if origin in (typing.Union, types.UnionType):
        yield from _union(value, expected, sent, where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for place, item in enumerate(value):
            yield from violations(
                item, typing.get_args(expected)[0], sent=sent, where=f"{where}[{place}]"
            )
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no mapping"
            return
        for key, item in value.items():
            yield from violations(
                item, typing.get_args(expected)[1], sent=sent, where=f"{where}.{key}"
            )
    elif origin is typing.Literal:
        if value not in typing.get_args(expected):
            yield f"{where}: {value!r} is none of {typing.get_args(expected)}"
    elif expected.__module__ == _MODULE.__name__:
        yield from _model(value, expected, sent, where)
    else:
        yield from _scalar(value, expected, where)


def _union(value: Any, expected: Any, sent: bool, where: str) -> Iterator[str]:
    choices = [each for each in typing.get_args(expected) if each is not type(None)]
    if value is None:
        if len(choices) == len(typing.get_args(expected)):
            yield f"{where}: must not be null"
        return
    enums = [each for each in choices if isinstance(each, type) and issubclass(each, enum.Enum)]
    if enums:
        known = {member.value for each in enums for member in each}
        if not isinstance(value, str) or (value not in known and not OPEN & set(enums)):
            yield f"{where}: {value!r} is none of {sorted(known)[:9]}"
        return
    yield from violations(value, choices[0], sent=sent, where=where)


def _model(value: Any, expected: Any, sent: bool, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {expected.__name__}"
        return
    known = _fields(expected)
    for key, item in value.items():
        if key not in known:
            yield f"{where}: {expected.__name__} has no {key!r}"
            continue
        annotation, read_only = known[key]
        if sent and read_only:
            yield f"{where}.{key}: is read-only"
        yield from violations(item, annotation, sent=sent, where=f"{where}.{key}")
    for key, (annotation, read_only) in known.items():
        optional = type(None) in typing.get_args(annotation)
        if key not in value and not optional and not (sent and read_only):
            yield f"{where}: {expected.__name__} lacks {key!r}"


def _scalar(value: Any, expected: Any, where: str) -> Iterator[str]:
    good = {
        str: lambda: isinstance(value, str),
        bool: lambda: isinstance(value, bool),
        int: lambda: isinstance(value, int) and not isinstance(value, bool),
        float: lambda: isinstance(value, int | float) and not isinstance(value, bool),
        datetime.datetime: lambda: isinstance(value, str) and _is_time(value),
    }.get(expected)
    if good is None:
        yield f"{where}: the checker does not know {expected}"
    elif not good():
        yield f"{where}: {value!r} is no {expected.__name__}"


def _is_time(text: str) -> bool:
    try:
        isodate.parse_datetime(text)
    except ValueError:
        return False
    return True


@functools.cache
def _fields(model: Any) -> dict[str, tuple[Any, bool]]:
    """Name on the wire -> type, and whether only Azure may say it."""
    names = {**vars(_MODULE), "_models": models}
    found: dict[str, tuple[Any, bool]] = {}
    for each in reversed(model.__mro__):
        for name, annotation in inspect.get_annotations(each).items():
            field = each.__dict__.get(name)
            if hasattr(field, "_rest_name_input"):
                if isinstance(annotation, str):
                    annotation = eval(annotation, names)
                resolved = typing.get_type_hints(
                    types.SimpleNamespace(__annotations__={"it": annotation}), names
                )["it"]
                wire = field._rest_name_input or name
                found[wire] = (resolved, field._visibility == ["read"])
    return found
