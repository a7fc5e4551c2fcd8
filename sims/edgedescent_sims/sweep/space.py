"""Search space of a learner: a table of fixed parameters, and choices or ranges of others.

The notation, in a sweep file::

    [learner]
    type = "MLPRegressor"
    l2 = 0.001                                                # fixed

    [learner.search]
    optimizer = ["Adam", { type = "SGD", lr = 0.1 }]          # choices
    hidden = [[16], [64, 32]]
    "optimizer.lr" = { low = 1e-4, high = 1.0, log = true }   # a range
    replay_steps = { low = 0, high = 16, steps = 5 }          # `steps` values of it in a grid
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgedescent.config.building import build, check_keys, convert
from edgedescent.config.values import join
from edgedescent.errors import ConfigError, shown
from edgedescent.learners import LEARNERS, Learner
from edgedescent.losses import LOSSES
from edgedescent.optim import OPTIMIZERS, SCHEDULES
from edgedescent.registry import Registry
from edgedescent.validation import Parameter, parameters
from edgedescent_sims.scenarios.files import changed

SIGNIFICANT_DIGITS = 4
"""Digits to which numbers of a range are rounded, so that a table of them can be read."""
_CHECKED_COMBINATIONS_MAX = 1000


@dataclass(frozen=True)
class Choices:
    """A list of values, of which one is taken."""

    values: tuple[Any, ...]

    def grid(self) -> list[Any]:
        """All of them."""
        return list(self.values)

    def draw(self, rng: np.random.Generator) -> Any:
        """One of them, each with the same probability."""
        return self.values[int(rng.integers(len(self.values)))]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show that all are valid."""
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included; uniform, or with a uniform logarithm.

    Example:
        >>> Range(0.001, 1.0, is_log=True, steps=4).grid()
        [0.001, 0.01, 0.1, 1.0]
        >>> Range(1, 4, is_integer=True).grid()
        [1, 2, 3, 4]
    """

    low: float
    high: float
    is_log: bool = False
    is_integer: bool = False
    steps: int | None = None

    def grid(self) -> list[Any]:
        """`steps` values from end to end; of integers without `steps` all of them."""
        if self.steps is None:
            return list(range(int(self.low), int(self.high) + 1))
        spaced = np.geomspace if self.is_log else np.linspace
        values = [self.value(float(each)) for each in spaced(self.low, self.high, self.steps)]
        return list(dict.fromkeys(values))

    def draw(self, rng: np.random.Generator) -> Any:
        """A random one of them."""
        if self.is_integer and not self.is_log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        # A half on either side gives the ends of a logarithmic range of integers their share.
        half = 0.5 if self.is_integer else 0.0
        share = float(rng.random())
        if self.is_log:
            low, high = math.log(self.low - half), math.log(self.high + half)
            return self.value(math.exp(low + share * (high - low)))
        return self.value(self.low + share * (self.high - self.low))

    def value(self, number: float) -> int | float:
        """The number of the range next to `number`, with a few significant digits."""
        if self.is_integer:
            return int(min(max(round(number), self.low), self.high))
        return min(max(float(f"{number:.{SIGNIFICANT_DIGITS}g}"), self.low), self.high)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show that all are valid, because bounds of parameters are intervals."""
        return (int(self.low), int(self.high)) if self.is_integer else (self.low, self.high)


Dimension = Choices | Range


@dataclass(frozen=True)
class SearchSpace:
    """Learner of which some parameters are searched.

    Args:
        table: Table of the learner: its type, and the parameters that are fixed.
        dimensions: Choices or ranges by the dotted path of the parameter, a parent before what is within it.

    Example:
        >>> space = SearchSpace.of({"type": "LinearRegressor", "search": {"l2": [0.0, 0.1]}}, "learner")
        >>> space.with_values({"l2": 0.1})
        {'type': 'LinearRegressor', 'l2': 0.1}
    """

    table: Mapping[str, Any]
    dimensions: Mapping[str, Dimension]

    @classmethod
    def of(cls, table: Any, path: str) -> SearchSpace:
        """Read and check the table of a learner with its `search`.

        Args:
            table: The table; text is the short form of one that has only a ``type``.
            path: Path of the table, for error messages.

        Raises:
            ConfigError: If a parameter is unknown, a value is out of its bounds, or a range cannot be.
        """
        stated = dict(convert({"type": table} if isinstance(table, str) else table, dict[str, Any], path))
        searched = convert(stated.pop("search", {}), dict[str, Any], f"{path}.search")
        found: dict[str, Any] = {}
        _flatten(searched, "", found)
        LEARNERS.find(stated.get("type"), f"{path}.type")
        dimensions: dict[str, Dimension] = {}
        for name in sorted(found, key=lambda name: name.count(".")):
            # The type of a parent decides which parameters there are.
            first = cls(stated, dimensions).first()
            parameter = _parameter(first, name, path)
            dimensions[name] = _dimension(found[name], parameter, f"{path}.search.{name}")
        space = cls(stated, dimensions)
        space._check(path)
        return space

    @property
    def name(self) -> str:
        """Type of the learner."""
        return str(self.table["type"])

    def with_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Table of the learner with values of the parameters that are searched."""
        table: dict[str, Any] = _copy(self.table)
        for path in self.dimensions:
            if path in values:
                _set(table, path, values[path])
        return table

    def first(self) -> dict[str, Any]:
        """Table of the learner with the first value of each parameter that is searched."""
        return self.with_values({name: dimension.ends[0] for name, dimension in self.dimensions.items()})

    def default(self) -> dict[str, Any]:
        """Table of the learner as it is without a search; with the first value of what has no default."""
        try:
            return canonical(self.with_values({}))
        except ConfigError:
            return self.first()

    def require_grid(self) -> None:
        """Raise ConfigError if a range has no end of values: one of numbers that states no `steps`."""
        for path, dimension in self.dimensions.items():
            if isinstance(dimension, Range) and dimension.steps is None and not dimension.is_integer:
                raise ConfigError(
                    f"The range of `{path}` has no `steps`: a grid needs their number.",
                    f"Write it like: {{ low = {dimension.low}, high = {dimension.high}, steps = 5 }}",
                )

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every combination of the values of the grid.

        Raises:
            ConfigError: If a range of numbers states no `steps`.
        """
        self.require_grid()
        for values in itertools.product(*(dimension.grid() for dimension in self.dimensions.values())):
            yield dict(zip(self.dimensions, values, strict=True))

    def grid_size(self) -> int:
        """Number of combinations of the grid."""
        return math.prod(len(dimension.grid()) for dimension in self.dimensions.values())

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Random values of all searched parameters."""
        return {path: dimension.draw(rng) for path, dimension in self.dimensions.items()}

    def _check(self, path: str) -> None:
        """Build learners with the values at the ends, every one of them below each choice of its parent."""
        first = {name: dimension.ends[0] for name, dimension in self.dimensions.items()}
        build(Learner, self.with_values(first), path)
        for name in self.dimensions:
            chain = [each for each in self.dimensions if name == each or name.startswith(f"{each}.")]
            tried = itertools.product(*(self.dimensions[each].ends for each in chain))
            for values in itertools.islice(tried, _CHECKED_COMBINATIONS_MAX):
                build(Learner, self.with_values({**first, **dict(zip(chain, values, strict=True))}), path)


# --- Notation -----------------------------------------------------------------------------------------------------


def _flatten(table: Mapping[str, Any], prefix: str, found: dict[str, Any]) -> None:
    """Collect the dimensions: ``optimizer.lr = …`` without quotes is a table within a table."""
    for key, value in table.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping) and not value.keys() & {"low", "high", "choices", "steps", "log"}:
            _flatten(value, path, found)
        else:
            found[path] = value


def _parameter(table: Mapping[str, Any], name: str, path: str) -> Parameter | None:
    """Declared parameter with a dotted name, of the learner that a table describes.

    None for wrapped models of other libraries, which declare none.
    """
    head, _, rest = name.partition(".")
    declared = next((parameters(each[table["type"]]) for each in _registries() if table["type"] in each), {})
    if not declared:
        return None
    check_keys({head: None}, dict.fromkeys(declared, False), path)
    if not rest:
        return declared[head]
    inner = table.get(head) or _default_of(table["type"], head)
    inner = {"type": inner} if isinstance(inner, str) else inner
    if not isinstance(inner, Mapping) or "type" not in inner:
        raise ConfigError(f"`{join(path, name)}` is searched, but `{head}` has no parameters of its own.")
    return _parameter(inner, rest, join(path, head))


def _dimension(stated: Any, parameter: Parameter | None, path: str) -> Dimension:
    if isinstance(stated, Mapping) and "choices" in stated:
        check_keys(stated, {"choices": True}, path)
        stated = stated["choices"]
    if isinstance(stated, list | tuple):
        if not stated:
            raise ConfigError(f"`{path}` is empty: expected at least one choice.")
        return Choices(tuple(stated))
    if isinstance(stated, Mapping):
        return _range(stated, parameter, path)
    raise ConfigError(
        f"`{path}` is {shown(stated)}: expected a list of choices, or a range.",
        "Write it like [1, 2] or { low = 1, high = 2 }; what is fixed stands outside of `search`.",
    )


def _range(stated: Mapping[str, Any], parameter: Parameter | None, path: str) -> Range:
    check_keys(stated, {"low": True, "high": True, "log": False, "steps": False}, path)
    kinds = set() if parameter is None else set(typing.get_args(parameter.kind) or (parameter.kind,))
    if not kinds & {int, float}:
        raise ConfigError(f"`{path}` is a range, but no number is expected there.", "List its choices: [..., ...]")
    is_integer = float not in kinds
    low, high = (convert(stated[end], int if is_integer else float, f"{path}.{end}") for end in ("low", "high"))
    is_log = convert(stated.get("log", False), bool, f"{path}.log")
    steps = convert(stated["steps"], int, f"{path}.steps") if "steps" in stated else None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"`{path}` is from {low:g} to {high:g}: expected `low` < `high`.")
    if is_log and low <= 0:
        raise ConfigError(f"`{path}.low` is {low:g}: a range with `log = true` must begin above 0.")
    if steps is not None and steps < 2:
        raise ConfigError(f"`{path}.steps` is {steps}: expected at least 2.")
    return Range(low, high, is_log=is_log, is_integer=is_integer, steps=steps)


# --- Tables -------------------------------------------------------------------------------------------------------


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _set(table: dict[str, Any], path: str, value: Any) -> None:
    """Set the parameter with a dotted path; a part that the table does not state is that of the default object."""
    head, _, rest = path.partition(".")
    if not rest:
        table[head] = _copy(value)
        return
    inner = table.get(head)
    if inner is None:
        inner = _default_of(table.get("type"), head)
    inner = {"type": inner} if isinstance(inner, str) else dict(inner)
    _set(inner, rest, value)
    table[head] = inner


def _default_of(kind: object, name: str) -> dict[str, Any]:
    """Table of the default of a parameter that is an object of its own; empty if it is none."""
    for registry in _registries():
        if isinstance(kind, str) and kind in registry:
            declared = parameters(registry[kind])
            if name in declared and parameters(type(declared[name].default)):
                return changed(declared[name].default)
            break
    return {}


def _registries() -> tuple[Registry[Any], ...]:
    return (LEARNERS, OPTIMIZERS, SCHEDULES, LOSSES)


def canonical(table: Mapping[str, Any]) -> dict[str, Any]:
    """Table of the learner that a table describes, with only what differs from the defaults.

    Tables of equal learners have the same one.

    Raises:
        ConfigError: If it describes none.

    Example:
        >>> canonical({"type": "LinearRegressor", "l2": 0.0, "optimizer": "SGD"})
        {'type': 'LinearRegressor', 'optimizer': {'type': 'SGD'}}
    """
    learner = build(Learner, table, "learner")
    return changed(learner) if parameters(type(learner)) else _copy(table)


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parameters of a table by their dotted paths.

    Example:
        >>> flattened({"type": "LinearRegressor", "optimizer": {"type": "SGD", "lr": 0.1}})
        {'type': 'LinearRegressor', 'optimizer.type': 'SGD', 'optimizer.lr': 0.1}
    """
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
