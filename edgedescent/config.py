"""The daemon's configuration: a TOML file, checked whole before anything starts.

Unknown keys are errors. Every error names the path, the value and what was expected. Environment variables override
the file: ``EDGEDESCENT_BROKER__HOST=pump`` sets ``host`` of ``[broker]``; two underscores part a table from its key.
Where text is expected, a variable is taken as it is; everywhere else it is read as a TOML value.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from msgspec import Meta

from edgedescent import learners, losses, optim
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer, Schedule
from edgedescent.plugins import Learners
from edgedescent.suggest import did_you_mean

T = TypeVar("T")
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]

ENVIRONMENT_PREFIX = "EDGEDESCENT_"
_SECRET_WORDS = ("password", "passwd", "secret", "token")
OUTPUTS = ("predictions", "metrics", "snapshots", "status")
"""The topics that the daemon publishes to."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Topics(_Table, frozen=True):
    """Where events come from and answers go; ``{device}`` stands for the device's name."""

    events: Annotated[tuple[str, ...], Meta(min_length=1)] = ("edgedescent/{device}/events",)
    predictions: str = "edgedescent/{device}/predictions"
    metrics: str = "edgedescent/{device}/metrics"
    snapshots: str = "edgedescent/{device}/snapshots"
    status: str = "edgedescent/{device}/status"


class State(_Table, frozen=True):
    """Where the state lies, and how safely."""

    path: str = "state"
    durability: Literal["power", "process"] = "power"
    """``power`` survives a power cut; ``process`` survives kill -9, and may lose the last commits when power fails."""
    checkpoint_interval_s: Seconds = 300.0
    checkpoint_events: Positive = 1_000_000
    commit_interval_s: Seconds = 1.0
    """A message waits at most so long until it is durable and acknowledged; it is answered at once."""
    commit_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """So many that wait are committed at once."""
    commit_bytes: Annotated[int, Meta(ge=1, le=1_073_741_824)] = 1_000_000
    """Likewise their bytes. Beside these, one poll's messages are all that is ever kept in memory."""
    written_bytes_per_day_max: Annotated[int, Meta(ge=1_000_000, le=2**53)] = 20_000_000_000
    """Where a day's allowance is used up, commits are spaced further apart, and less is taken in."""
    journal_bytes_max: Positive = 268_435_456
    journal_age_max_s: Seconds | None = None
    """Messages that are older, and that recovery does not need, are dropped with the next checkpoint."""
    dead_letters_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError(f"`state.path` is {self.path!r}: expected the path of a folder.")


class Limits(_Table, frozen=True):
    """Bounds on what comes in."""

    payload_bytes_max: Annotated[int, Meta(ge=1, le=268_435_455)] = 1_048_576
    """MQTT itself allows no more than 256 MiB."""
    events_per_message_max: Positive = 10_000
    dedup_window: Annotated[int, Meta(ge=1, le=10_000_000)] = 65_536
    """How many ids of learned events are remembered to recognize repeats, in up to 40 bytes each."""
    redelivery_window: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    """How many messages are remembered to recognize those sent again whose events have no ids, in 8 bytes each."""
    events_per_second_max: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """Of one topic; what comes beyond is counted and left alone."""
    answers_bytes_max: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 1_048_576
    """How many bytes of answers wait for a connection; the oldest make room."""


class Snapshots(_Table, frozen=True):
    """When and how the model is exported."""

    exporter: str = "onnx"
    every_events: Positive | None = None
    every_s: Seconds | None = None
    keep: Positive = 5
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """The greatest relative difference to the live model's predictions with which a snapshot is published."""
    check_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """How many recent events the snapshot is checked on."""
    timeout_s: Seconds = 120.0


class Metrics(_Table, frozen=True):
    """How often the metrics are published, and where else they can be read."""

    interval_s: Seconds = 10.0
    listen: str | None = None
    """An address such as ``127.0.0.1:9464``, where Prometheus can ask; nowhere unless it is given."""

    def __post_init__(self) -> None:
        if self.listen is not None:
            address_of(self.listen)


def address_of(text: str) -> tuple[str, int]:
    """Host and port of an address to listen on.

    >>> address_of("[::1]:9464")
    ('::1', 9464)

    Raises:
        ConfigError: if it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 <= int(port) <= 65_535):
        raise ConfigError(
            f"`metrics.listen` is {_shown(text)}: expected an address and a port.", 'For example "127.0.0.1:9464".'
        )
    return host.strip("[]"), int(port)


class Logs(_Table, frozen=True):
    """How the log is written."""

    format: Literal["text", "json"] = "text"
    """``json`` writes one object a line, for programs that collect logs."""
    limit_per_10_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """How many warnings of one kind are written in ten seconds; how many were left out is told."""


class Config(_Table, frozen=True):
    """The whole configuration; ``broker`` and ``learner`` are checked by the adapter and the learner they name.

    The learner that comes without being asked for is the one that needs no tuning: see docs/learners.md.
    """

    device: str
    learner: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "MLPRegressor"})
    transport: str = "mqtt"
    broker: dict[str, Any] = msgspec.field(default_factory=dict)
    topics: Topics = Topics()
    state: State = State()
    limits: Limits = Limits()
    snapshots: Snapshots = Snapshots()
    metrics: Metrics = Metrics()
    logs: Logs = Logs()

    def __post_init__(self) -> None:
        device = self.device
        if not 1 <= len(device) <= 64 or not device.isprintable() or any(c in "/+#" for c in device):
            raise ConfigError(f"`device` is {_shown(device)}: expected 1 to 64 characters, printable, without / + #.")
        for name in OUTPUTS:
            topic = self.topic(name)
            if not topic or any(c in topic for c in "+#\0"):
                raise ConfigError(f"`topics.{name}` is {_shown(topic)}: expected a topic without wildcards.")
            if heard := [events for events in self.event_topics() if _matches(events, topic)]:
                raise ConfigError(
                    f"`topics.{name}` is {_shown(topic)}, which {heard[0]!r} of `topics.events` takes in too.",
                    "The daemon would take its own answers for events.",
                )

    def topic(self, name: str) -> str:
        """A topic by name with the device filled in."""
        return str(getattr(self.topics, name)).replace("{device}", self.device)

    def event_topics(self) -> list[str]:
        """The topic filters to subscribe to."""
        return [topic.replace("{device}", self.device) for topic in self.topics.events]

    def build_learner(self) -> Learner:
        """The learner that ``[learner]`` describes."""
        return build(Learner, self.learner, "learner")


def load(
    path: str | Path,
    environment: Mapping[str, str] = os.environ,
    check: Callable[[Config], None] | None = None,
) -> Config:
    """Read and check a configuration file.

    Args:
        path: of the file.
        environment: whose variables override it.
        check: looks at what this module knows nothing about, such as an adapter's part, and raises ConfigError.

    Raises:
        ConfigError: if it cannot be read or anything in it is wrong; the message begins with the path of the file.
    """
    path = Path(path)
    try:
        # Some editors begin a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}.") from error
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    try:
        _override(table, environment)
        config = convert(table, Config)
        config.build_learner()
        if check is not None:
            check(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", error.hint) from None
    return config


class Variable(str):
    """The text of an environment variable, until it is known which type is expected in its place."""

    name: str

    def __new__(cls, name: str, text: str) -> Self:
        """The text of the variable `name`."""
        variable = super().__new__(cls, text)
        variable.name = name
        return variable

    def parsed(self) -> Any:
        """The number, boolean, array or table that is written here as in TOML; the text itself if it is none."""
        try:
            table = tomllib.loads(f"v = {self}")
        except (tomllib.TOMLDecodeError, RecursionError):
            return str(self)
        # With a line break in it, the text could hold further keys.
        return table["v"] if len(table) == 1 else str(self)


def _override(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Set what the environment says, in place."""
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        try:
            environment[name].encode()
        except UnicodeEncodeError:
            raise ConfigError(f"The environment variable {name} is not UTF-8.") from None
        *parents, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        target = table
        for parent in parents:
            below = target.setdefault(parent, {})
            if isinstance(below, Variable):
                below = target[parent] = below.parsed()
            if not isinstance(below, dict):
                raise ConfigError(f"The environment variable {name} needs a table, but `{parent}` is {_shown(below)}.")
            target = below
        target[key] = Variable(name, environment[name])


def convert(value: Any, kind: type[T], path: str = "") -> T:
    """Turn parsed TOML into `kind`, a table or a plain type.

    Raises:
        ConfigError: naming the path, the value and what was expected.
    """
    if isinstance(value, Variable):
        try:
            return convert(str(value), kind, path)
        except ConfigError:
            parsed = value.parsed()
        try:
            return convert(parsed, kind, path)
        except ConfigError as error:
            raise ConfigError(f"{error}{_origin(value)}", error.hint) from None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            raise ConfigError(f"`{path}` is {_shown(value)}: expected a table.")
        fields = msgspec.structs.fields(kind)
        check_keys(value, {f.name: f.required for f in fields}, path)
        kinds = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: convert(item, kinds[name], _join(path, name)) for name, item in value.items()})
    if typing.get_origin(kind) is dict:
        # Its content is checked by whoever it is for.
        if not isinstance(value, dict):
            raise ConfigError(f"`{path}` is {_shown(value)}: expected a table.")
        return typing.cast(T, value)
    members = typing.get_args(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union) and type(None) in members and len(members) == 2:
        return typing.cast(T, convert(value, next(m for m in members if m is not type(None)), path))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        place, expected = _expected(kind, str(error))
        raise ConfigError(
            f"`{path}{place}` is {_shown(value)}: {expected}.", did_you_mean(value, _choices(kind))
        ) from None


def build(base: type[T], table: Any, path: str) -> T:
    """Make the learner, optimizer or loss that a table describes: ``type`` names it, the rest are its parameters.

    Raises:
        ConfigError: naming the path, the value and what was expected.
    """
    registry = REGISTRIES[base]
    source = _origin(table)
    if isinstance(table, Variable):
        table = table.parsed()
    if isinstance(table, str):
        table = {"type": table}
    if not isinstance(table, dict):
        raise ConfigError(f"`{path}` is {_shown(table)}: expected a table with a `type`.{source}")
    name = table.get("type")
    if name is None:
        raise ConfigError(f"`{path}.type` is missing: expected one of {', '.join(registry)}.{source}")
    if not isinstance(name, str) or name not in registry:
        raise ConfigError(
            f"`{path}.type` is {_shown(name)}: expected one of {', '.join(registry)}.{source or _origin(name)}",
            did_you_mean(name, registry),
        )
    kind = registry[name]
    parameters, kinds = _parameters(kind), _types(kind)
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
        raise ConfigError(f"`{path}`: {error}{source}") from None


def describe(thing: Learner | Optimizer | Schedule | Loss) -> dict[str, Any]:
    """The table from which `build` makes an equal thing.

    >>> from edgedescent.optim import SGD
    >>> describe(SGD(lr=0.1))
    {'type': 'SGD', 'lr': 0.1, 'schedule': {'type': 'Constant'}}
    """
    kind: type = type(thing)
    table: dict[str, Any] = {"type": kind.__name__}
    for name in _parameters(kind):
        value = getattr(thing, name)
        if isinstance(value, Optimizer | Schedule | Loss):
            table[name] = describe(value)
        elif value is not None:
            # What is None is left out, because TOML has no such value: it is always the default. Nor has it tuples.
            table[name] = list(value) if isinstance(value, tuple) else value
    return table


@functools.cache
def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    # Working them out takes longer than the rest of a small checkpoint.
    return inspect.signature(kind).parameters


@functools.cache
def _types(kind: type) -> Mapping[str, Any]:
    # The annotation of an inherited field means what it means where the field stands.
    return typing.get_type_hints(kind if dataclasses.is_dataclass(kind) else inspect.getattr_static(kind, "__init__"))


def check_keys(table: Mapping[str, Any], required: Mapping[str, bool], path: str) -> None:
    """Raise ConfigError for an unknown key or a missing one."""
    for key in table:
        if key not in required:
            if any(word in key.lower() for word in _SECRET_WORDS):
                # The value is not shown, nor are words that are like it.
                raise ConfigError(
                    f"`{_join(path, key)}` is refused: a secret is never part of the configuration."
                    + _origin(table[key]),
                    "Put it into a file and name that in `password_file`, or into a variable named in `password_env`.",
                )
            raise ConfigError(
                f"`{_join(path, key)}` is not a known key: expected one of {', '.join(required)}."
                + _origin(table[key]),
                did_you_mean(key, required),
            )
    for key, needed in required.items():
        if needed and key not in table:
            raise ConfigError(f"`{_join(path, key)}` is missing.")


def _join(path: str, key: str) -> str:
    # As in TOML, a key of other characters is quoted; it may even hold a line break.
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{key}" if path else key


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _origin(value: object) -> str:
    """Where a value comes from, if that is not the file."""
    if isinstance(value, dict) and len(value) == 1:
        return _origin(*value.values())
    return f" It is set by the environment variable {value.name}." if isinstance(value, Variable) else ""


def _choices(kind: Any) -> tuple[str, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _expected(kind: Any, message: str) -> tuple[str, str]:
    """Where in the value something is wrong, and what is expected there."""
    if choices := _choices(kind):
        return "", "expected one of " + ", ".join(repr(choice) for choice in choices)
    # msgspec says "Expected `int`, got `str`" and, for an array, where in it: "- at `$[0]`".
    message, _, place = message.partition(" - at `$")
    return place.removesuffix("`"), message[0].lower() + message[1:]


def _matches(events: str, topic: str) -> bool:
    """Whether a topic filter takes in a topic."""
    levels = events.split("/")
    if levels[0] == "$share":
        levels = levels[2:]
    names = topic.split("/")
    if levels and levels[-1] == "#":
        levels.pop()
        # The level above the wildcard belongs to it too.
        names = names[: len(levels)]
    return len(levels) == len(names) and all(level in ("+", name) for level, name in zip(levels, names, strict=True))


def _exported(module: types.ModuleType, base: type) -> dict[str, type]:
    things = ((name, getattr(module, name)) for name in dir(module))
    return {n: t for n, t in things if isinstance(t, type) and issubclass(t, base) and t is not base}


REGISTRIES: dict[type, Mapping[str, type]] = {
    Learner: Learners(_exported(learners, Learner)),
    Optimizer: _exported(optim, Optimizer),
    Schedule: _exported(optim, Schedule),
    Loss: _exported(losses, Loss),
}
"""What a `type` in the configuration may name: what these packages export, and learners of installed packages."""
