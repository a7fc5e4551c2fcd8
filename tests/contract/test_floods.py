"""Floods do not make a learner forget: its error on ordinary events is soon what it would have been without them."""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgedescent import LogisticRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.learners import Learner
from support.exported import LEARNERS

Events = list[dict[str, Any]]
PARAMETERS: dict[str, dict[str, Any]] = {
    "MLPRegressor": {"hidden": (16,), "replay_steps": 2},
    "AutoRegressor": {"budget": "tiny"},
}
N_EVENTS = 2500
SITES = "abcde"


def reading(rng: random.Random) -> dict[str, Any]:
    values = [rng.gauss(i, 1.0 + i) for i in range(6)]
    site = rng.randrange(5)
    y = 2.0 * values[0] - values[1] + 0.5 * values[3] + 3.0 * site - 6.0 + rng.gauss(0.0, 0.2)
    return {"x": {**{f"s{i}": value for i, value in enumerate(values)}, "site": SITES[site]}, "y": y}


@functools.cache
def taste(name: str) -> list[float]:
    rng = random.Random(name)
    return [rng.gauss(0.0, 0.6) for _ in range(3)]


def rating(rng: random.Random, user: str | None = None, item: str | None = None) -> dict[str, Any]:
    user, item = user or f"user-{rng.randrange(60)}", item or f"item-{rng.randrange(80)}"
    p, q = taste(user), taste(item)
    return {"user": user, "item": item, "y": 3.5 + p[0] + q[0] + p[1] * q[1] + p[2] * q[2] + rng.gauss(0.0, 0.2)}


class Stream:
    """A learner within an engine, and what it is told."""

    def __init__(self, kind: Any, **options: Any) -> None:
        self.learner = kind(**PARAMETERS.get(kind.__name__, {})) if isinstance(kind, type) else kind()
        self.engine = Engine(self.learner, **options)
        self.ordinary = random.Random(5)

    def next(self) -> dict[str, Any]:
        """The next ordinary event."""
        event = reading(self.ordinary) if self.learner.input_kind == "features" else rating(self.ordinary)
        return self.fit(event)

    def fit(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event with a label that the learner is made for."""
        if isinstance(self.learner, LogisticRegressor):
            event["y"] = float(event["y"] > 0.0)
        elif not self.learner.labels_are_amounts:
            event["y"] = 1.0
        return event

    def tell(self, events: Events) -> list[float]:
        """Tell events in arrays of a thousand; returns the absolute errors of what is answered."""
        errors = []
        for first in range(0, len(events), 1000):
            part = events[first : first + 1000]
            effects = self.engine.handle(Message(self.engine.position + 1, 0.0, "t", msgspec.json.encode(part)))
            answers = [] if isinstance(effects[0], DeadLetter) else json.loads(effects[0].payload)
            errors += [abs(answer["prediction"] - answer["y"]) for answer in answers]
        return errors

    def live(self, n: int) -> float:
        """Mean absolute error of the next ordinary events."""
        return math.fsum(self.tell([self.next() for _ in range(n)])) / n


def names(value: Callable[[int], Any], times: int = 1) -> Callable[[Stream], Events]:
    def flood(stream: Stream) -> Events:
        events = [{"x": {f"junk-{i}": value(i) for i in range(16_000)}, "y": 2.0} for _ in range(times)]
        return [stream.fit(event) for event in events]

    return flood


def names_little_by_little(stream: Stream) -> Events:
    rng = random.Random(6)
    events = [stream.fit(reading(rng)) for _ in range(600)]
    for n, event in enumerate(events):
        event["x"] |= {f"junk-{n}-{i}": "text" if i % 2 else float(i) for i in range(16)}
    return events


def labels(y: float, n: int = 300) -> Callable[[Stream], Events]:
    def flood(stream: Stream) -> Events:
        rng = random.Random(7)
        one = reading if stream.learner.input_kind == "features" else rating
        return [{**one(rng), "y": y} for _ in range(n)]

    return flood


@functools.cache
def junk_ratings(which: str) -> Events:
    """Ratings of ids that never come again."""
    rng = random.Random(8)
    events = []
    for n in range(27_000):
        user = f"junk-{n}" if "users" in which else None
        item = f"junk-{n}" if "items" in which else None
        events.append(rating(rng, user, item))
    return events


def ids(which: str, y: float | None = None) -> Callable[[Stream], Events]:
    def flood(stream: Stream) -> Events:
        if y is None:
            return [stream.fit({**event}) for event in junk_ratings(which)]
        return [stream.fit({**event, "y": y}) for event in junk_ratings(which)]

    return flood


FLOODS: dict[str, dict[str, Callable[[Stream], Events]]] = {
    "features": {
        "numbers": names(lambda i: i * 0.37),
        "texts": names(lambda _: "text"),
        "values of one feature after the other": lambda stream: [
            stream.fit({"x": {"site": f"junk-{i}"}, "y": 1.0}) for i in range(1000)
        ],
        "numbers, three times": names(lambda i: i * 0.37, 3),
        "little by little": names_little_by_little,
        "labels": labels(-1e6),
        "labels upwards": labels(1e9),
    },
    "ratings": {
        "users and items": ids("users and items"),
        "users and items, one rating": ids("users and items", 1.0),
        "users": ids("users"),
        "items": ids("items"),
        "labels": labels(-1e6),
        "labels upwards": labels(1e9),
    },
}
CASES = [
    pytest.param(kind, flood, id=f"{kind.__name__}-{name}")
    for kind in LEARNERS
    for name, flood in FLOODS[kind.input_kind].items()
]


@functools.cache
def experience(kind: Any, **options: Any) -> tuple[dict[str, Any], Any]:
    """State of an engine whose learner has settled, and of the ordinary events: the same before every flood."""
    stream = Stream(kind, **options)
    stream.live(N_EVENTS * (1 if stream.learner.input_kind == "features" else 3))
    return stream.engine.state_dict(), stream.ordinary.getstate()


def experienced(kind: Any, **options: Any) -> Stream:
    """A stream whose learner has settled."""
    stream = Stream(kind, **options)
    state, ordinary = experience(kind, **options)
    stream.engine.load_state_dict(state)
    stream.ordinary.setstate(ordinary)
    return stream


def error_later(stream: Stream) -> float:
    stream.live(200)
    return stream.live(500)


@functools.cache
def undisturbed(kind: Any, **options: Any) -> float:
    """Error without any flood: the same for all of them."""
    return error_later(experienced(kind, **options))


def check(kind: Any, flood: Callable[[Stream], Events], **options: Any) -> None:
    stream = experienced(kind, **options)
    stream.tell(flood(stream))
    after, otherwise = error_later(stream), undisturbed(kind, **options)
    # Of a probability that is next to what it should be, half as much again is nothing.
    assert after <= max(1.5 * otherwise, otherwise + 0.01), (after, otherwise)


@pytest.mark.parametrize(("kind", "flood"), CASES)
def test_the_error_is_soon_what_it_would_have_been(kind: type[Learner], flood: Callable[[Stream], Events]) -> None:
    check(kind, flood)


@pytest.mark.parametrize("name", [name for name in FLOODS["features"] if "labels" not in name])
@pytest.mark.parametrize("kind", [kind for kind in LEARNERS if kind.input_kind == "features"])
def test_floods_of_names_do_no_harm_without_a_quarantine(kind: type[Learner], name: str) -> None:
    check(kind, FLOODS["features"][name], quarantine=False)


@pytest.mark.parametrize("name", ["numbers", "texts", "labels", "labels upwards"])
def test_a_model_of_another_library_is_guarded_as_well(name: str) -> None:
    from edgedescent_river import RiverRegressor

    model = {"type": "linear_model.LinearRegression", "optimizer": {"type": "optim.SGD", "lr": 0.001}}
    parts = [{"type": "preprocessing.StandardScaler"}, model]

    class Numbers(Stream):
        def fit(self, event: dict[str, Any]) -> dict[str, Any]:
            event["x"].pop("site", None)
            return event

    def make() -> Any:
        return RiverRegressor(model=parts)

    flooded, other = Numbers(make), Numbers(make)
    for stream in (flooded, other):
        stream.live(1000)
    flooded.tell(FLOODS["features"][name](flooded))
    assert flooded.live(500) <= 1.5 * other.live(500)
