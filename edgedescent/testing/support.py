"""Comparison of states, and the messages of failed checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edgedescent.learners import Learner


def require(subject: object, condition: bool, what_happened: str) -> None:
    """Raise AssertionError, naming the subject, unless the condition holds."""
    if not condition:
        raise AssertionError(f"{subject!r}: {what_happened}.")


def require_refused(
    subject: object, call: Callable[[], object], what: str, errors: tuple[type[Exception], ...]
) -> None:
    """Raise AssertionError unless the call raises one of the errors with a message."""
    try:
        call()
    except errors as error:
        require(subject, bool(str(error)), f"{what} is refused without a word")
    else:
        raise AssertionError(f"{subject!r}: {what} is not refused.")


def require_names(subject: object, parameter: str, call: Callable[[], object]) -> None:
    """Raise AssertionError unless the call raises a ValueError that names the parameter."""
    try:
        call()
    except ValueError as error:
        require(subject, f"`{parameter}`" in str(error), f"the error about `{parameter}` does not name it: {error}")
    else:
        raise AssertionError(f"{subject!r}: a value of no use is taken for `{parameter}`.")


def require_finite(learner: Learner, after: str) -> None:
    """Raise AssertionError unless every number of the state is finite."""
    for name, value in learner.state_dict().items():
        if not isinstance(value, list):
            finite = all(math.isfinite(number) for number in value.ravel().tolist())
            require(learner, finite, f"after {after} its {name} is not finite")


def frozen(state: Mapping[str, Any]) -> dict[str, object]:
    """A state as something that can be compared bit by bit and never changes."""
    return {
        name: tuple(value) if isinstance(value, list) else (value.dtype.str, value.shape, value.tobytes())
        for name, value in state.items()
    }


def bits(learner: Learner) -> dict[str, object]:
    """Every bit of a learner's state."""
    return frozen(learner.state_dict())


def size(learner: Learner) -> int:
    """Bytes of numbers plus number of names that a state holds."""
    state: Mapping[str, Any] = learner.state_dict()
    return sum(len(value) if isinstance(value, list) else value.nbytes for value in state.values())


def spoiled(value: Any) -> list[tuple[str, Any]]:
    """Part of a state, changed in each of the ways that a learner must refuse, and what was done to it."""
    if isinstance(value, list):
        return [
            ("with a number in it", [*value, 3]),
            ("one longer", [*value, "one more"]),
            ("with a name twice", value[:-1] + value[:1]),
            ("as a tuple", tuple(value)),
        ]
    other = "<f8" if value.dtype.kind == "i" else "<i8"
    ways = [
        ("of another type", value.astype(other)),
        ("as text", value.astype("U")),
        ("with one more dimension", value.reshape((*value.shape, 1))),
    ]
    if value.size:
        ways += [("twice as long", value.repeat(2, axis=0)), ("empty", value[:0])]
    if value.size and value.dtype.kind == "f":
        for number in (math.nan, math.inf):
            worse = value.copy()
            worse.ravel()[-1] = number
            ways.append((f"with {number}", worse))
    return ways
