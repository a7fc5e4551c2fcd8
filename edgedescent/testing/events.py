"""Deterministic test streams for the contract checks: valid events, broken, extreme and wrongly typed ones."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

from edgedescent.learners import Learner
from edgedescent.losses import Loss

# Arguments of `predict_one`, followed by the target.
Event = tuple[Any, ...]


def takes_interactions(learner: Learner) -> bool:
    """True if the learner learns from interactions instead of ratings."""
    return learner.input_kind == "ratings" and not hasattr(learner, "loss")


def target(learner: Learner, y: float) -> float:
    """Return the valid target of a learner that is nearest to `y`."""
    if takes_interactions(learner):
        return max(float(y), 1e-300)
    loss: Loss | None = getattr(learner, "loss", None)
    if loss is None:
        return float(y)
    if loss.binary:
        return float(y > 3.0)
    return max(float(y), loss.least)


def events(learner: Learner, count: int, seed: int = 1) -> list[Event]:
    """Return `count` valid events with a relation between inputs and target."""
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
    """Return events with feature names or ids that are unique for `n`."""
    if learner.input_kind == "features":
        return [({"a": float(n), f"new-{n}": 1.0, f"other-{n}": float(n % 3)}, target(learner, n % 5))]
    return [(f"user-{n}", f"item-{n}", target(learner, n % 5)), (f"user-{n}", "a", 1.0), ("ann", n, 2.0)]


def broken_events(learner: Learner) -> list[Event]:
    """Return events of broken sensors, with missing or unusable inputs and targets."""
    if learner.input_kind == "features":
        values = (math.nan, math.inf, -math.inf, 1e300, -1e300, 10**400, None)
        return [
            ({"a": value, "b": 1.0, f"only-{value!r:.5}": value}, target(learner, n)) for n, value in enumerate(values)
        ]
    return [("user-1", 1, target) for target in (math.nan, math.inf, -math.inf, 1e300, 10**400)]


def strange_events(learner: Learner) -> list[Event]:
    """Return valid events with extreme finite values and unusual names."""
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
    """Return events with a value, name, id or target of a wrong type; most also have a valid new name or id."""
    if learner.input_kind == "features":
        fresh = {"fresh": 1.0}
        wrong_values: tuple[Any, ...] = ("\ud800", b"1", {1.0}, 1j, {"a": 1j}, object())
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
    """Call `learn_one` with each event of a stream."""
    model: Any = learner
    for event in stream:
        model.learn_one(*event)


def trained(learner: Learner) -> Learner:
    """Return a clone of a learner that has learned 60 events."""
    model = learner.clone()
    learn(model, events(model, 60))
    return model
