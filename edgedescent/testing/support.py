"""Helpers of the contract checks: assertions with messages, and comparison of states."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edgedescent.learners import Learner


def require(subject: object, condition: bool, what_happened: str) -> None:
    """Raise AssertionError with the subject in the message unless the condition is true."""
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
    """Return an immutable copy of a state that can be compared bit by bit."""
    return {
        name: tuple(value) if isinstance(value, list) else (value.dtype.str, value.shape, value.tobytes())
        for name, value in state.items()
    }


def bits(learner: Learner) -> dict[str, object]:
    """Return an immutable copy of a learner's state that can be compared bit by bit."""
    return frozen(learner.state_dict())


def size(learner: Learner) -> int:
    """Return the size of a state: bytes of all arrays plus number of names."""
    state: Mapping[str, Any] = learner.state_dict()
    return sum(len(value) if isinstance(value, list) else value.nbytes for value in state.values())


def spoiled(value: Any) -> list[tuple[str, Any]]:
    """Return invalid variants of a part of a state, each with a description of the change."""
    if isinstance(value, list):
        return [
            ("with a number in it", [*value, 3]),
            ("one longer", [*value, "one more"]),
            *([("with a name twice", value[:-1] + value[:1])] if len(value) > 1 else []),
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
