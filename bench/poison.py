"""Effect of broken sensors on a learner: its error on the clean events of a poisoned stream, and on those alone."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import numpy as np
from harness import command_line, environment

from edgedescent import (
    AutoRecommender,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
    losses,
    optim,
)

EVERY = 500
RATIO_MAX = 1.2
POISONS: dict[str, Callable[[float], float]] = {
    "NaN": lambda _: math.nan,
    "infinity": lambda _: math.inf,
    "-infinity": lambda _: -math.inf,
    "1e308": lambda _: 1e308,
    "-1e308": lambda _: -1e308,
    "times 1000": lambda value: 1000.0 * value,
    "times -1000": lambda value: -1000.0 * value,
}

Event = tuple[tuple[Any, ...], float]


@dataclass(frozen=True)
class Stream:
    """Events, and which of them are poisoned.

    Args:
        events: what is predicted from, as positional arguments, and the target.
        poisoned: the places of the poisoned ones.
    """

    events: Sequence[Event]
    poisoned: frozenset[int]


def features(
    n_events: int, labels: bool = False, positive: bool = False, first: int = EVERY // 2, seed: int = 7
) -> Stream:
    """Ten features of scales from 1e-3 to 1e4 and a target with a bend; from the `first` on every 500th is poisoned.

    Every third poisoned event has a target that cannot be used, the others one broken feature. Labels of yes and no
    cannot be 1000 times too large, and where targets must be positive, one that is not is refused.
    """
    random = np.random.default_rng(seed)
    scales = 10.0 ** np.linspace(-3, 4, 10)
    z = random.normal(size=(n_events, 10))
    target = z @ np.linspace(-1, 1, 10) + np.abs(z[:, 2]) + 0.3 * random.normal(size=n_events)
    target = (target > 1.0).astype(float) if labels else 40.0 + 5.0 * target
    names = [f"sensor_{i}" for i in range(10)]
    poisons = list(POISONS.values())
    events: list[Event] = []
    poisoned = set()
    for i, (row, true) in enumerate(zip((3.0 * scales + scales * z).tolist(), target.tolist(), strict=True)):
        x, y = dict(zip(names, row, strict=True)), true
        if i % EVERY == first:
            n = len(poisoned)
            poisoned.add(i)
            poison = poisons[n % len(poisons)]
            if n % 3 == 2:
                y = (math.nan, math.inf, -math.inf)[n // 3 % 3] if labels else poison(true)
                y = abs(y) if positive else y
            else:
                name = names[int(random.integers(10))]
                x[name] = poison(x[name])
        events.append(((x,), y))
    return Stream(events, frozenset(poisoned))


def ratings(n_events: int, positive: bool = False, first: int = EVERY // 2, seed: int = 7) -> Stream:
    """Ratings by 200 users of 200 items; from the `first` on every 500th cannot be true."""
    random = np.random.default_rng(seed)
    users, items = random.integers(200, size=(2, n_events))
    p, q = random.normal(size=(2, 200))
    y = 3.0 + 0.5 * p[users] + 0.5 * q[items] + 0.4 * random.normal(size=n_events)
    poisons = list(POISONS.values())
    events: list[Event] = []
    poisoned = set()
    for i, (user, item, true) in enumerate(zip(users.tolist(), items.tolist(), y.tolist(), strict=True)):
        rating = true
        if i % EVERY == first:
            rating = poisons[len(poisoned) % len(poisons)](true)
            rating = abs(rating) if positive else rating
            poisoned.add(i)
        events.append(((f"u{user}", f"i{item}"), rating))
    return Stream(events, frozenset(poisoned))


Start = tuple[Callable[[], Any], Callable[[int], Stream]]


def learners() -> dict[str, Start]:
    """Every learner with every optimizer and every loss that it takes; each with the stream it takes.

    Left out is what nobody should choose, as docs/learners.md says: products of features in an exponential.
    """
    found: dict[str, Start] = {"AutoRecommender": (AutoRecommender, ratings)}
    for learner in (LinearRegressor, FactorizationMachine, LogisticRegressor, MatrixFactorization, MLPRegressor):
        stream = ratings if learner is MatrixFactorization else features
        found[learner.__name__] = start_of(learner, stream)
        for optimizer in exported(optim, optim.Optimizer):
            if learner is MLPRegressor and optimizer().covariance_max:
                continue
            found[f"{learner.__name__}, {optimizer.__name__}"] = start_of(learner, stream, optimizer=optimizer())
        for loss in exported(losses, losses.Loss):
            if (learner, loss) == (FactorizationMachine, losses.PoissonLoss):
                continue
            with suppress(ValueError):
                # Which it raises where it does not take the loss.
                learner(loss=loss())
                found[f"{learner.__name__}, {loss.__name__}"] = start_of(learner, stream, loss=loss())
        if learner is not MLPRegressor:
            found[f"{learner.__name__}, replay"] = start_of(learner, stream, replay_steps=4)
    return found


def exported(module: Any, base: type) -> list[Any]:
    """The proper subclasses of `base` that a module exports."""
    things = (getattr(module, name) for name in module.__all__)
    return [thing for thing in things if isinstance(thing, type) and issubclass(thing, base) and thing is not base]


def start_of(learner: Any, stream: Callable[..., Stream], **parameters: Any) -> Start:
    """The learner with these parameters, and its stream with targets that its loss is for."""
    loss = learner(**parameters).loss
    if stream is ratings:
        return partial(learner, **parameters), partial(ratings, positive=math.isfinite(loss.least))
    return partial(learner, **parameters), partial(features, labels=loss.binary, positive=math.isfinite(loss.least))


@dataclass(frozen=True)
class Harm:
    """Effect of the poisoned events on a learner.

    Args:
        name: of the learner.
        alone: its mean absolute error on the clean events where it never saw the others.
        among: the same where it did.
        finite: whether all it knows and says stayed finite.
    """

    name: str
    alone: float
    among: float
    finite: bool

    @property
    def ratio(self) -> float:
        """Error on the poisoned stream over that on its clean events alone."""
        return self.among / self.alone

    @property
    def passed(self) -> bool:
        """True if the error stays within the bound."""
        return self.finite and self.ratio <= RATIO_MAX


def harm(name: str, start: Callable[[], Any], stream: Stream) -> Harm:
    """Learn the clean events alone, and the whole stream, each event predicted first."""
    clean, dirty = start(), start()
    alone, among = [], []
    finite = True
    for i, (where, y) in enumerate(stream.events):
        prediction = dirty.predict_learn_one(*where, y)
        finite &= math.isfinite(prediction)
        if i not in stream.poisoned:
            among.append(abs(prediction - y))
            alone.append(abs(clean.predict_learn_one(*where, y) - y))
    arrays = [array for array in dirty.state_dict().values() if isinstance(array, np.ndarray)]
    finite &= all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f")
    return Harm(name, math.fsum(alone) / len(alone), math.fsum(among) / len(among), finite)


@click.command(epilog="Example: python bench/poison.py --only MLP")
@click.option("--events", type=click.IntRange(min=1000), default=20_000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the learners whose name holds this text.")
@click.option("--quick", is_flag=True, help="1,000 events: a smoke test, whose two poisoned events say little.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(events: int, only: str, quick: bool, json_: bool) -> None:
    """Poison 1 in 500 events, and compare each learner's error with that on the clean events alone.

    Takes two minutes, most of them for the networks.

    Exits with 1 if one does not stay finite, or within 1.2 times.
    """
    events = 1000 if quick else events
    chosen = {name: pair for name, pair in learners().items() if only.lower() in name.lower()}
    if not chosen:
        raise click.ClickException(f"No learner holds {only!r}. There are: {'; '.join(learners())}.")
    harms = []
    for name, (start, stream) in chosen.items():
        if not json_ and sys.stderr.isatty():
            click.echo(f"{name} …", err=True)
        harms.append(harm(name, start, stream(events)))
    ran_on = environment(("edgedescent", "numpy"))
    if json_:
        rows = [
            {"learner": h.name, "alone": h.alone, "among": h.among, "finite": h.finite, "passed": h.passed}
            for h in harms
        ]
        passed = all(h.passed for h in harms)
        click.echo(json.dumps({"passed": passed, "ran_on": ran_on, "again": command_line(), "learners": rows}))
    else:
        click.echo(f"{'mean absolute error on clean events':40}  {'alone':>9}  {'poisoned':>9}  ratio")
        for h in harms:
            verdict = "pass" if h.passed else ("FAIL" if h.finite else "FAIL, not finite")
            click.echo(f"{h.name:40}  {h.alone:9.4g}  {h.among:9.4g}  {h.ratio:5.3f}  {verdict}")
        click.echo(f"at most {RATIO_MAX} times; again: {command_line()}")
    sys.exit(0 if all(h.passed for h in harms) else 1)


if __name__ == "__main__":
    main()
