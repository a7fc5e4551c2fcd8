"""Random learners of every kind, taught by random streams, among them degenerate ones."""

from __future__ import annotations

import math
import random
from inspect import signature
from typing import Any

from edgedescent import AutoRegressor, MatrixFactorization
from edgedescent.learners import Learner
from edgedescent.learners.interactions import Interactions
from support import exported
from support.strategies import EVERY_LOSS, EVERY_OPTIMIZER

Event = dict[str, Any]
SCALES = (1.0, 1.0, 1.0, 100.0, 1e-9, 1e9, 1e-150, 1e-156, 1e60)
SHIFTS = (0.0, 0.0, 1.0, -273.15, 1e6, 1e12)
BROKEN = (None, math.nan, math.inf, -math.inf, 1e100, -1e300, 10**400, 1e99, 1e-320)


def random_learner(dice: random.Random, kind: type[Learner] | None = None) -> Any:
    """A learner with random parameters; of a random kind, if none is given."""
    kind = kind or dice.choice(exported.LEARNERS)
    parameters: dict[str, Any] = {"seed": dice.randrange(1000)}
    if kind in exported.GRADIENT_LEARNERS and dice.random() < 0.6:
        parameters["optimizer"] = dice.choice([one for one in EVERY_OPTIMIZER if exported.accepts_optimizer(kind, one)])
    losses = [loss for loss in EVERY_LOSS if exported.accepts_loss(kind, loss)]
    if losses and dice.random() < 0.6:
        parameters["loss"] = dice.choice(losses)
    if kind.input_kind == "ratings":
        parameters |= {"users_max": dice.choice((1, 3, 1000)), "items_max": dice.choice((1, 3, 1000))}
        if "n_factors" in signature(kind).parameters:
            parameters["n_factors"] = dice.choice((1, 2, 10))
        if "init_scale" in signature(kind).parameters:
            parameters["init_scale"] = dice.choice((0.0, 0.03, 10.0))
    else:
        parameters |= {"clip": dice.choice((0.1, 5.0, 1e6)), "forgetting": dice.choice((1e-9, 0.0002, 0.1, 0.9))}
        parameters["features_max"] = dice.choice((1, 3, 4096))
        parameters["categories"] = dice.choice(((), (), ("f1",)))
        parameters["hash_bits"] = dice.choice((None, None, None, None, 4))
    parameters["when_full"] = dice.choice(("evict", "share"))
    if kind in exported.GRADIENT_LEARNERS:
        parameters["replay_steps"] = dice.choice((0, 0, 2))
        if kind.input_kind == "features":
            parameters["l2"] = dice.choice((0.0, 0.0, 0.01))
    if "average" in kind.__annotations__:
        parameters["average"] = dice.random() < 0.3
    return exported.small(kind, **parameters)


def random_events(dice: random.Random, learner: Learner, count: int) -> list[Event]:
    """Events of one kind, whose targets suit the learner; labels may be missing."""
    events = _ratings(dice, learner, count) if learner.input_kind == "ratings" else _readings(dice, learner, count)
    if (unlabelled := dice.choice((0.0, 0.0, 0.0, 0.5, 1.0))) > 0.0:
        for event in events:
            if dice.random() < unlabelled:
                event.pop("y", None)
    return events


def _readings(dice: random.Random, learner: Learner, count: int) -> list[Event]:
    names = [f"f{i}" for i in range(dice.choice((0, 1, 1, 2, 5, 20)))]
    scales = {name: (dice.choice(SCALES), dice.choice(SHIFTS)) for name in names}
    of_target = dice.choice(SCALES), dice.choice(SHIFTS)
    kind = dice.choice(("noisy", "exact", "constant", "switch", "collinear", "all equal"))
    texts = dice.choice(((), ("site",), ("f0", "a=b", "µ\0", "")))
    broken, missing = dice.choice((0.0, 0.0, 0.05)), dice.choice((0.0, 0.0, 0.3))
    events = []
    for _ in range(count):
        z = {name: dice.gauss(0.0, 1.0) for name in names}
        if kind == "switch":
            z = {name: float(value > 0.0) for name, value in z.items()}
        elif kind == "collinear" and names:
            z = {name: z[names[0]] * (1.0 + i) for i, name in enumerate(names)}
        elif kind == "all equal":
            z = dict.fromkeys(names, 0.5)
        signal = 2.0 * next(iter(z.values()), 0.5) - sum(list(z.values())[1:])
        signal += {"noisy": dice.gauss(0.0, 1.0), "constant": -signal}.get(kind, 0.0)
        x: Event = {
            name: value if kind == "switch" else value * scales[name][0] + scales[name][1] for name, value in z.items()
        }
        x |= {name: dice.choice(("north", "south", "a=b", "=", "")) for name in texts}
        for name in list(x):
            if dice.random() < missing:
                del x[name]
            elif dice.random() < broken:
                x[name] = dice.choice(BROKEN)
        events.append({"x": x, "y": _target(learner, signal, of_target)})
    return events


def _ratings(dice: random.Random, learner: Learner, count: int) -> list[Event]:
    n_users, n_items = dice.choice((1, 3, 50)), dice.choice((1, 3, 50))
    kind = dice.choice(("noisy", "exact", "constant"))
    of_target = dice.choice(SCALES), dice.choice(SHIFTS)
    events = []
    for _ in range(count):
        user, item = dice.randrange(n_users), dice.randrange(n_items)
        signal = {"noisy": dice.gauss(0.0, 1.0), "constant": 1.0}.get(kind, float(user % 2 == item % 2))
        event: Event = {"user": f"u{user}", "item": dice.choice((item, str(item)))}
        events.append(
            event if isinstance(learner, Interactions) else {**event, "y": _target(learner, signal, of_target)}
        )
    return events


def _target(learner: Learner, signal: float, of_target: tuple[float, float]) -> float:
    """A target that the learner accepts."""
    if isinstance(learner, Interactions):
        return 1.0
    value = signal * of_target[0] + of_target[1]
    loss = learner.get_params().get("loss")
    if loss is None or isinstance(learner, AutoRegressor):
        return value
    if loss.binary:
        return float(signal > 0.0)
    return abs(value) if loss.rule == "poisson" and not isinstance(learner, MatrixFactorization) else value


def teach(learner: Any, events: list[Event]) -> None:
    """Learn the events that have a label, or that need none; those that the learner refuses are skipped."""
    for event in events:
        if isinstance(learner, Interactions):
            inputs: tuple[Any, ...] = (event["user"], event["item"])
        elif "y" not in event:
            continue
        elif learner.input_kind == "ratings":
            inputs = event["user"], event["item"], event["y"]
        else:
            inputs = event["x"], event["y"]
        try:
            learner.learn_one(*inputs)
        except ValueError:
            continue
