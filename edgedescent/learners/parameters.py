"""Parameters of learners by nested names, such as ``optimizer__lr``, as scikit-learn has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgedescent.validation import parameters


def with_nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters, and behind each that is declared by parameters of its own, those by nested names.

    Args:
        params: Parameters by name.

    Example:
        >>> from edgedescent.optim import SGD
        >>> sorted(with_nested({"optimizer": SGD(lr=0.1)}))[:3]
        ['optimizer', 'optimizer__average_rate', 'optimizer__clip_norm']
    """
    nested: dict[str, Any] = {}
    for name, value in params.items():
        nested[name] = value
        if inner := parameters(type(value)):
            values = with_nested({part: getattr(value, part) for part in inner})
            nested.update((f"{name}__{part}", each) for part, each in values.items())
    return nested


def with_changes(owner: object, params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with some of them changed, by names that may be nested.

    Args:
        owner: What has the parameters, for error messages.
        params: All parameters by name.
        changes: New values by name; a whole parameter is replaced before parts of it are.

    Raises:
        ValueError: If there is no such parameter, or a value is out of its range.

    Example:
        >>> from edgedescent.optim import SGD
        >>> with_changes("model", {"optimizer": SGD(lr=0.1)}, {"optimizer__lr": 0.2})
        {'optimizer': SGD(lr=0.2)}
    """
    changed = dict(params)
    parts: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, separator, part = path.partition("__")
        if name not in params:
            # The words of scikit-learn.
            raise ValueError(
                f"Invalid parameter {name!r} for estimator {owner!r}. Valid parameters are: {[*params]!r}."
            )
        if separator:
            parts.setdefault(name, {})[part] = value
        else:
            changed[name] = value
    for name, inner in parts.items():
        value = changed[name]
        given = {part: getattr(value, part) for part in parameters(type(value))}
        changed[name] = dataclasses.replace(value, **_only(with_changes(value, given, inner), given))
    return changed


def _only(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in new.items() if value is not old[name]}
