"""Small streams for the checks: ordinary, broken, absurd and wrong ones, the same in every run."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

from edgedescent.learners import Learner
from edgedescent.losses import Loss

# The inputs of `predict_one`, then the target.
Event = tuple[Any, ...]


def takes_interactions(learner: Learner) -> bool:
    """True if it learns from choices, not from ratings."""
    return learner.input_kind == "ratings" and not hasattr(learner, "loss")


def target(learner: Learner, y: float) -> float:
    """The target nearest to `y` that a learner takes."""
    if takes_interactions(learner):
        return max(float(y), 1e-300)
    loss: Loss | None = getattr(learner, "loss", None)
    if loss is None:
        return float(y)
    if loss.binary:
        return float(y > 3.0)
    return max(float(y), loss.least)


def events(learner: Learner, count: int, seed: int = 1) -> list[Event]:
    """Events that a learner can learn something from."""
    rng = random.Random(seed)  # noqa: S311 - a repeatable stream, not a secret
    stream: list[Event] = []
    for _ in range(count):
        if learner.input_kind == "features":
            x = {name: rng.gauss(10.0 * n, 1.0 + n) for n, name in enumerate("abcd") if rng.random() < 0.9}
            stream.append((x, target(learner, sum(x.values()) / 10.0 - 2.0 + rng.gauss(0.0, 0.1))))
        else:
            user, item = rng.randrange(6), rng.randrange(5)
            stream.append((f"user-{user}", item, 1.0 + (user + item) % 5))
    return stream


def fresh_events(learner: Learner, n: int) -> list[Event]:
    """Events with names that no other `n` has."""
    if learner.input_kind == "features":
        return [({"a": float(n), f"new-{n}": 1.0, f"other-{n}": float(n % 3)}, target(learner, n % 5))]
    return [(f"user-{n}", f"item-{n}", target(learner, n % 5)), (f"user-{n}", "a", 1.0), ("ann", n, 2.0)]


def broken_events(learner: Learner) -> list[Event]:
    """Events as broken sensors send them; their inputs are missing or unusable, their targets too."""
    if learner.input_kind == "features":
        values = (math.nan, math.inf, -math.inf, 1e300, -1e300, 10**400, None)
        return [
            ({"a": value, "b": 1.0, f"only-{value!r:.5}": value}, target(learner, n)) for n, value in enumerate(values)
        ]
    return [("user-1", 1, target) for target in (math.nan, math.inf, -math.inf, 1e300, 10**400)]


def strange_events(learner: Learner) -> list[Event]:
    """Events with values that are finite and taken, but absurd."""
    if learner.input_kind == "features":
        values = (1e99, -1e99, 1e-300, 0.0, 10**90, True)
        targets = [target(learner, y) for y in (1e99, -1e99, 0.0, 1e-300)]
        empty, accent = ("", "é") if learner.takes_text else (1.0, 2.0)
        return [
            ({"a": value, "b": -value, "c": 1.0, "": empty, "d": {"": accent}}, y) for value in values for y in targets
        ]
    ratings = [("user-1", 1, target(learner, y)) for y in (1e99, -1e99, 1e-300, 0.0)]
    return [*ratings, ("", "", 3), ("é", "\0", True)]


def wrong_events(learner: Learner) -> list[Event]:
    """Events with something of the wrong type, each beside something new that is right."""
    if learner.input_kind == "features":
        fresh = {"fresh": 1.0}
        wrong_values: tuple[Any, ...] = ("\ud800", b"1", [1.0], 1j, {"a": 1j}, object())
        wrong_inputs: tuple[Any, ...] = (None, [1.0], "x", *({**fresh, "a": value} for value in wrong_values))
        wrong_names: tuple[Any, ...] = (None, ("a",), b"a", "\ud800")
        return [
            *((x, 1.0) for x in wrong_inputs),
            *(({**fresh, name: 1.0}, 1.0) for name in wrong_names),
            *((fresh, y) for y in ("1.0", None, [1.0], 1j)),
        ]
    wrong_ids: tuple[Any, ...] = (None, True, 1.5, b"a", ("a",), "\ud800")
    return [
        *((wrong, "fresh", 1.0) for wrong in wrong_ids),
        *(("fresh", wrong, 1.0) for wrong in wrong_ids),
        *(("fresh", "fresh", y) for y in ("1.0", None, [1.0], 1j)),
    ]


def learn(learner: Learner, stream: Iterable[Event]) -> None:
    """Let a learner learn a stream."""
    model: Any = learner
    for event in stream:
        model.learn_one(*event)


def trained(learner: Learner) -> Learner:
    """A clone that has learned a little."""
    model = learner.clone()
    learn(model, events(model, 60))
    return model
