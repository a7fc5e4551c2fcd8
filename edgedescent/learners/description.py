"""Description of a learner by plain values, from which an equal one is made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from edgedescent.learners import LEARNERS, Learner
from edgedescent.losses import LOSSES, Loss
from edgedescent.optim import OPTIMIZERS, SCHEDULES, Optimizer, Schedule
from edgedescent.registry import Registry
from edgedescent.validation import parameters

_REGISTRIES: dict[type, Registry[Any]] = {Optimizer: OPTIMIZERS, Schedule: SCHEDULES, Loss: LOSSES}


@functools.cache
def constructor_parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """Parameters of a constructor by name, declared ones of the class itself before those that it inherits.

    Args:
        kind: The class.
    """
    # Cached, because reading the signature takes longer than the rest of a small checkpoint.
    signature = inspect.signature(kind).parameters
    own_first = [name for name in parameters(kind) if name in signature]
    return {name: signature[name] for name in own_first or signature}


def describe(thing: Any) -> dict[str, Any]:
    """Table from which `edgedescent.config.build` and `undescribed` make an equal object.

    Args:
        thing: A learner, optimizer, schedule, loss or detector.

    Example:
        >>> from edgedescent.optim import SGD
        >>> describe(SGD(lr=0.1))
        {'type': 'SGD', 'lr': 0.1, 'schedule': {'type': 'Constant'}}
    """
    kind: type = type(thing)
    table: dict[str, Any] = {"type": kind.__name__}
    for name in constructor_parameters(kind):
        value = getattr(thing, name)
        if isinstance(value, Optimizer | Schedule | Loss):
            table[name] = describe(value)
        elif value is not None:
            # TOML has no null and no tuples. None is always the default, so it can be left out.
            table[name] = list(value) if isinstance(value, tuple) else value
    return table


def undescribed(table: Mapping[str, Any]) -> Learner:
    """Make the learner that `describe` has described.

    Args:
        table: The description.

    Raises:
        ConfigError: If there is no such class, or the package that has it is not installed.
        ValueError: If a parameter is unknown or out of its range.
    """
    learner: Learner = _made(LEARNERS, table, "learner")
    return learner


def _made(registry: Registry[Any], table: Mapping[str, Any], path: str) -> Any:
    kind = registry.find(table.get("type"), f"{path}.type")
    declared = parameters(kind)
    arguments: dict[str, Any] = {}
    for name, value in table.items():
        if name == "type":
            continue
        if name not in constructor_parameters(kind):
            raise ValueError(f"{kind.__name__} has no parameter {name!r}.")
        inner = _REGISTRIES.get(declared[name].kind) if name in declared else None
        arguments[name] = value if inner is None else _made(inner, value, f"{path}.{name}")
    return kind(**arguments)
