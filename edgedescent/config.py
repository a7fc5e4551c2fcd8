"""The daemon's configuration: a TOML file, checked whole before anything starts.

Unknown keys are errors. Every error names the path, the value and what was expected. Environment variables override
the file: ``EDGEDESCENT_BROKER__HOST=pump`` sets ``host`` of ``[broker]``; two underscores part a table from its key.
"""

from __future__ import annotations

import inspect
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from edgedescent import learners, losses, optim
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.suggest import did_you_mean

T = TypeVar("T")
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]

ENVIRONMENT_PREFIX = "EDGEDESCENT_"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Topics(_Table):
    """Where events come from and answers go; ``{device}`` stands for the device's name."""

    events: Annotated[tuple[str, ...], Meta(min_length=1)] = ("edgedescent/{device}/events",)
    predictions: str = "edgedescent/{device}/predictions"
    metrics: str = "edgedescent/{device}/metrics"
    snapshots: str = "edgedescent/{device}/snapshots"
    status: str = "edgedescent/{device}/status"


class State(_Table):
    """Where the state lies, and how safely."""

    path: str = "state"
    durability: Literal["power", "process"] = "power"
    """``power`` survives a power cut; ``process`` survives kill -9, and may lose the last commits when power fails."""
    checkpoint_interval_s: Seconds = 300.0
    checkpoint_events: Positive = 1_000_000
    journal_bytes_max: Positive = 268_435_456
    dead_letters_max: Positive = 10_000


class Limits(_Table):
    """Bounds on what comes in."""

    payload_bytes_max: Positive = 1_048_576
    events_per_message_max: Positive = 10_000
    dedup_window: Positive = 65_536


class Snapshots(_Table):
    """When and how the model is exported."""

    exporter: str = "onnx"
    every_events: Positive | None = None
    every_s: Seconds | None = None
    keep: Positive = 5
    tolerance: Seconds = 1e-5
    """The greatest relative difference to the live model's predictions with which a snapshot is published."""
    check_events: Positive = 200
    """How many recent events the snapshot is checked on."""
    timeout_s: Seconds = 120.0


class Metrics(_Table):
    """How often the metrics are published."""

    interval_s: Seconds = 10.0


class Config(_Table):
    """The whole configuration; ``broker`` and ``learner`` are checked by the adapter and the learner they name."""

    device: Annotated[str, Meta(pattern=r"^[^/+#\x00]{1,64}$")]
    learner: dict[str, Any]
    transport: str = "mqtt"
    broker: dict[str, Any] = msgspec.field(default_factory=dict)
    topics: Topics = Topics()
    state: State = State()
    limits: Limits = Limits()
    snapshots: Snapshots = Snapshots()
    metrics: Metrics = Metrics()

    def topic(self, name: str) -> str:
        """A topic by name with the device filled in."""
        return str(getattr(self.topics, name)).replace("{device}", self.device)

    def event_topics(self) -> list[str]:
        """The topic filters to subscribe to."""
        return [topic.replace("{device}", self.device) for topic in self.topics.events]

    def build_learner(self) -> Learner:
        """The learner that ``[learner]`` describes."""
        return build(Learner, self.learner, "learner")


def load(path: str | Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: if it cannot be read or anything in it is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "Give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    _override(table, environment)
    try:
        config = convert(table, Config)
        config.build_learner()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", error.hint) from None
    return config


def _override(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Set what the environment says, in place."""
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *parents, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        target = table
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"The environment variable {name} needs a table, but `{parent}` is a value.")
        text = environment[name]
        try:
            # A number, a boolean or an array is written as in TOML; anything else is a string.
            target[key] = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            target[key] = text


def convert(value: Any, kind: type[T], path: str = "") -> T:
    """Turn parsed TOML into `kind`, a table or a plain type.

    Raises:
        ConfigError: naming the path, the value and what was expected.
    """
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            raise ConfigError(f"`{path}` must be a table. Got {value!r}.")
        fields = msgspec.structs.fields(kind)
        check_keys(value, {f.name: f.required for f in fields}, path)
        kinds = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: convert(item, kinds[name], _join(path, name)) for name, item in value.items()})
    members = typing.get_args(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union) and type(None) in members and len(members) == 2:
        return typing.cast(T, convert(value, next(m for m in members if m is not type(None)), path))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected = _expected(kind, str(error))
        raise ConfigError(f"`{path}` is {value!r}: {expected}.", did_you_mean(value, _choices(kind))) from None


def build(base: type[T], table: Any, path: str) -> T:
    """Make the learner, optimizer or loss that a table describes: ``type`` names it, the rest are its parameters.

    Raises:
        ConfigError: naming the path, the value and what was expected.
    """
    registry = REGISTRIES[base]
    if isinstance(table, str):
        table = {"type": table}
    if not isinstance(table, dict):
        raise ConfigError(f"`{path}` must be a table with a `type`. Got {table!r}.")
    name = table.get("type")
    if name is None:
        raise ConfigError(f"`{path}.type` is missing: expected one of {', '.join(registry)}.")
    if not isinstance(name, str) or name not in registry:
        raise ConfigError(
            f"`{path}.type` is {name!r}: expected one of {', '.join(registry)}.", did_you_mean(name, registry)
        )
    kind = registry[name]
    parameters = inspect.signature(kind).parameters
    kinds = typing.get_type_hints(kind.__init__)
    given = {key: value for key, value in table.items() if key != "type"}
    required = {key: p.default is inspect.Parameter.empty for key, p in parameters.items()}
    check_keys(given, required, path)
    arguments = {
        key: build(kinds[key], value, _join(path, key))
        if kinds[key] in REGISTRIES
        else convert(value, kinds[key], _join(path, key))
        for key, value in given.items()
    }
    try:
        return typing.cast(T, kind(**arguments))
    except ValueError as error:
        raise ConfigError(f"`{path}`: {error}") from None


def describe(thing: Learner | Optimizer | Loss) -> dict[str, Any]:
    """The table from which `build` makes an equal thing.

    >>> from edgedescent.optim import SGD
    >>> describe(SGD(lr=0.1))
    {'type': 'SGD', 'lr': 0.1}
    """
    values = ((name, getattr(thing, name)) for name in inspect.signature(type(thing)).parameters)
    return {
        "type": type(thing).__name__,
        **{k: describe(v) if isinstance(v, (Optimizer, Loss)) else v for k, v in values},
    }


def check_keys(table: Mapping[str, Any], required: Mapping[str, bool], path: str) -> None:
    """Raise ConfigError for an unknown key or a missing one."""
    for key in table:
        if key not in required:
            raise ConfigError(
                f"`{_join(path, key)}` is not a known key: expected one of {', '.join(required)}.",
                did_you_mean(key, required),
            )
    for key, needed in required.items():
        if needed and key not in table:
            raise ConfigError(f"`{_join(path, key)}` is missing.")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _choices(kind: Any) -> tuple[str, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _expected(kind: Any, message: str) -> str:
    if choices := _choices(kind):
        return "expected one of " + ", ".join(repr(choice) for choice in choices)
    # msgspec says "Expected `int`, got `str`" and, for a list, where in it.
    return message[0].lower() + message[1:]


def _exported(module: types.ModuleType, base: type) -> dict[str, type]:
    things = ((name, getattr(module, name)) for name in dir(module))
    return {n: t for n, t in things if isinstance(t, type) and issubclass(t, base) and t is not base}


REGISTRIES: dict[type, dict[str, type]] = {
    Learner: _exported(learners, Learner),
    Optimizer: _exported(optim, Optimizer),
    Loss: _exported(losses, Loss),
}
"""What a `type` in the configuration may name: whatever these packages export."""
