"""Conversion of TOML tables to structs, learners, optimizers, schedules, losses and detectors, and back."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from edgedescent.config.values import Variable, join, origin
from edgedescent.drift import DETECTORS, Detector
from edgedescent.errors import ConfigError, did_you_mean, shown
from edgedescent.learners import LEARNERS, Learner
from edgedescent.learners.description import constructor_parameters
from edgedescent.losses import LOSSES, Loss
from edgedescent.optim import OPTIMIZERS, SCHEDULES, Optimizer, Schedule
from edgedescent.registry import Registry
from edgedescent.validation import parameters

T = TypeVar("T")
_SECRET_WORDS = ("password", "passwd", "secret", "token")


def convert(value: Any, kind: type[T], path: str = "") -> T:
    """Convert a parsed TOML value.

    Args:
        value: The value.
        kind: The type to convert to: a table (`msgspec.Struct`) or a plain type.
        path: Path of the key, for error messages.

    Raises:
        ConfigError: If the value has another type or is out of range; names path, value and expected value.
    """
    if isinstance(value, Variable):
        try:
            return convert(str(value), kind, path)
        except ConfigError:
            parsed = value.parsed()
        try:
            return convert(parsed, kind, path)
        except ConfigError as error:
            raise ConfigError(f"{error}{origin(value)}", error.hint) from None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            raise ConfigError(f"`{path}` is {_shown(path, value)}: expected a table.")
        fields = msgspec.structs.fields(kind)
        check_keys(value, {f.name: f.required for f in fields}, path)
        kinds = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: convert(item, kinds[name], join(path, name)) for name, item in value.items()})
    members = typing.get_args(kind)
    is_table = typing.get_origin(kind) is dict
    if is_table or set(members) == {dict[str, Any], str}:
        # What the table belongs to validates its content. A name stands for a table of a `type` alone.
        if not isinstance(value, dict if is_table else dict | str):
            expected = "a table" if is_table else "a table or a name"
            raise ConfigError(f"`{path}` is {shown(value)}: expected {expected}.")
        if is_table and isinstance(members[1], type) and issubclass(members[1], msgspec.Struct):
            value = {name: convert(item, members[1], join(path, name)) for name, item in value.items()}
        return typing.cast(T, value)
    if typing.get_origin(kind) in (types.UnionType, typing.Union) and type(None) in members and len(members) == 2:
        return typing.cast(T, convert(value, next(m for m in members if m is not type(None)), path))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        place, expected = _expected(kind, str(error))
        hint = did_you_mean(value, _choices(kind))
        if isinstance(value, str) and "`array`" in expected:
            hint = f"Write a list: [{json.dumps(value, ensure_ascii=False)}]."
        raise ConfigError(f"`{path}{place}` is {_shown(path, value)}: {expected}.", hint) from None


def _shown(path: str, value: object) -> str:
    """Text of a value for an error message; not that of a key that is about a secret, where one may have been put."""
    is_secret = any(word in path.rpartition(".")[2].lower() for word in _SECRET_WORDS)
    return f"a value of type {type(value).__name__}" if is_secret else shown(value)


def build(
    base: type[T],
    table: Any,
    path: str,
    *,
    registry: Registry[Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> T:
    """Build a learner, optimizer, schedule, loss, detector, or a plug-in of another registry from a table.

    Args:
        base: Base class of what to build; it selects the registry.
        table: The table: ``type`` is the name in the registry, the other keys are constructor arguments. Text is the
            short form of a table that has only a ``type``.
        path: Path of the table, for error messages.
        registry: Where the ``type`` is looked up, if it is none of the engine's.
        given: Constructor arguments that the table must not give.

    Raises:
        ConfigError: If a key or a value is wrong; names path, value and expected value.
    """
    registry = _REGISTRIES[base] if registry is None else registry
    source = origin(table)
    if isinstance(table, Variable):
        table = table.parsed()
    if isinstance(table, str):
        table = {"type": table}
    if not isinstance(table, dict):
        raise ConfigError(f"`{path}` is {shown(table)}: expected a table with a `type`.{source}")
    name = table.get("type")
    if name is None:
        raise ConfigError(f"`{path}.type` is missing: expected one of {', '.join(registry)}.{source}")
    try:
        kind = registry.find(name, f"{path}.type")
    except ConfigError as error:
        raise ConfigError(f"{error}{source or origin(name)}", error.hint) from error.__cause__
    accepted, kinds = constructor_parameters(kind), _types(kind)
    fixed = dict(given or {})
    stated = {key: value for key, value in table.items() if key != "type"}
    required = {key: p.default is inspect.Parameter.empty for key, p in accepted.items() if key not in fixed}
    check_keys(stated, required, path)
    arguments = fixed | {
        key: build(kinds[key], value, join(path, key))
        if kinds[key] in _REGISTRIES
        else convert(value, kinds[key], join(path, key))
        for key, value in stated.items()
    }
    try:
        return typing.cast(T, kind(**arguments))
    except ValueError as error:
        raise ConfigError(f"`{path}`: {error}{source}") from None


@functools.cache
def _types(kind: type) -> Mapping[str, Any]:
    # The annotations of a dataclass belong to the modules of the classes that declare the fields.
    return typing.get_type_hints(kind if dataclasses.is_dataclass(kind) else inspect.getattr_static(kind, "__init__"))


def check_keys(table: Mapping[str, Any], required: Mapping[str, bool], path: str) -> None:
    """Check the keys of a table.

    Args:
        table: The table.
        required: The known keys; True for those that have no default.
        path: Path of the table, for error messages.

    Raises:
        ConfigError: If a key is unknown or missing.
    """
    for key in table:
        if key not in required:
            if any(word in key.lower() for word in _SECRET_WORDS):
                # Neither the value nor a near match of the key is shown.
                raise ConfigError(
                    f"`{join(path, key)}` is refused: a secret is never part of the configuration."
                    + origin(table[key]),
                    "Put it into a file and name that in `password_file`, or into a variable named in `password_env`.",
                )
            raise ConfigError(
                f"`{join(path, key)}` is not a known key: expected one of {', '.join(required)}." + origin(table[key]),
                _place_of(key, path) or did_you_mean(key, required),
            )
    for key, needed in required.items():
        if needed and key not in table:
            raise ConfigError(f"`{join(path, key)}` is missing.")


def _place_of(key: str, path: str) -> str:
    """Hint with the table that a known key belongs to, where it stands in another one; empty if there is none."""
    if path not in ("", "learner", "learner.optimizer"):
        return ""
    for name, registry in (("optimizer", OPTIMIZERS), ("loss", LOSSES), ("optimizer.schedule", SCHEDULES)):
        table = f"learner.{name}"
        if table == path:
            continue
        if key == name and path == "":
            return f"Put it into the table [{table}]."
        kinds = [each for each in registry.built_in if key in parameters(registry[each])]
        if kinds and (path or name != "optimizer.schedule"):
            known = "Adam" if "Adam" in kinds else kinds[0]
            return f'It belongs in the table [{table}], with its type, such as type = "{known}".'
    return ""


def _choices(kind: Any) -> tuple[str, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _expected(kind: Any, message: str) -> tuple[str, str]:
    """Place of the fault within the value, and the expected value there, from a message of msgspec."""
    if choices := _choices(kind):
        return "", "expected one of " + ", ".join(repr(choice) for choice in choices)
    # msgspec says "Expected `int`, got `str`" and, for an array, where in it: "- at `$[0]`".
    message, _, place = message.partition(" - at `$")
    return place.removesuffix("`"), message[0].lower() + message[1:]


_REGISTRIES: dict[type, Registry[Any]] = {
    Learner: LEARNERS,
    Optimizer: OPTIMIZERS,
    Schedule: SCHEDULES,
    Loss: LOSSES,
    Detector: DETECTORS,
}
"""Registry in which a table's ``type`` is looked up, by the base class of what it describes."""
