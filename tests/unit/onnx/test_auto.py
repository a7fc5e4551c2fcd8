"""What the ONNX file of `AutoRegressor` predicts from raw events and labels, beside the live learner."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import AutoRegressor, LinearRegressor
from edgedescent.ensemble.members import BUDGETS
from edgedescent.errors import ExportError
from edgedescent.losses import Loss, QuantileLoss, SquaredLoss
from edgedescent.snapshots.parity import check_parity, target_scale
from edgedescent_onnx import OnnxAdapter

ONNX = OnnxAdapter()
# Networks are summed in single precision by the learner, in double precision by the file.
TOLERANCE = 2e-6
each_budget = pytest.mark.parametrize("budget", BUDGETS)

Event = dict[str, Any]


def event(rng: random.Random) -> Event:
    x: Event = {f"s{i}": rng.gauss(100 * i, 1 + i) for i in range(3) if rng.random() < 0.9}
    if rng.random() < 0.9:
        x["site"] = rng.choice(["north", "south", "", "a=b", "日本", "nul\0"])
    x["hour"] = rng.randrange(24)
    x["pump"] = {"hot": rng.random() < 0.5, "load": rng.random()}
    if rng.random() < 0.1:
        x["s1"] = rng.choice([None, math.nan, math.inf, 1e200, 1e9, "text"])
    return x


def label(x: Event, t: int, rng: random.Random) -> float:
    return x["hour"] / 10 + 3 * (x.get("site") == "north") + 5 * math.sin(t / 6) + rng.gauss(0, 0.3)


@functools.cache
def _state(budget: Any, n: int, features_max: int) -> Mapping[str, Any]:
    learner, rng = AutoRegressor(budget=budget, categories=("hour",), features_max=features_max), random.Random(5)
    for t in range(n):
        x = event(rng)
        learner.learn_one(x, label(x, t, rng))
    return learner.state_dict()


def trained(budget: Any, n: int, features_max: int = 4096) -> Any:
    """A learner that has learned `n` events; it learns them once for all tests."""
    learner = AutoRegressor(budget=budget, categories=("hour",), features_max=features_max)
    learner.load_state_dict(_state(budget, n, features_max))
    return learner


def some_events(count: int) -> list[Event]:
    rng = random.Random(1)
    strange = [{}, {"site": "unheard of"}, {"hour": "3"}, {"hour": 99}, {"new": 1.0}, {"pump": {}}, {"s0": -1e9}]
    return [*(event(rng) for _ in range(count)), *strange]


def served(file: bytes, xs: Sequence[Event], labels: Sequence[float] = ()) -> list[float]:
    return ONNX.predict(file, [{"x": x} for x in xs], labels)


def assert_agrees(learner: Any, xs: Sequence[Event], labels: Sequence[float] = (), file: bytes | None = None) -> None:
    follower = learner.with_labels(labels)
    live = [follower.predict_one(x) for x in xs]
    got = served(file or ONNX.export(learner, {}), xs, labels)
    np.testing.assert_allclose(got, live, rtol=TOLERANCE, atol=TOLERANCE * target_scale(learner))


# --- The labels are those of the snapshot -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [SquaredLoss(), QuantileLoss(q=0.05), QuantileLoss(q=0.9)], ids=repr)
def test_agrees_for_each_loss(loss: Loss) -> None:
    learner, rng = AutoRegressor(budget="tiny", categories=("hour",), loss=loss), random.Random(6)
    for t in range(500):
        x = event(rng)
        learner.learn_one(x, label(x, t, rng))
    assert bool(learner.model.mixture.shift) == isinstance(loss, QuantileLoss)
    assert_agrees(learner, some_events(40))
    assert_agrees(learner, some_events(10), [1.0, 5.0])


@pytest.mark.parametrize("delay", [1, 6, 50, 400])
def test_agrees_where_labels_come_late(delay: int) -> None:
    learner = trained("tiny", 700)
    learner.set_label_delay(delay)
    assert learner.model.history.period
    assert_agrees(learner, some_events(10))
    assert_agrees(learner, some_events(10), [1.0, 2.0, math.nan, 4.0])


@each_budget
@pytest.mark.parametrize("n", [0, 1, 2, 3, 11, 12, 700])
def test_agrees_on_numbers_categories_gaps_and_nesting(budget: str, n: int) -> None:
    learner = trained(budget, n)
    xs = some_events(40)
    file = ONNX.export(learner, {})
    assert_agrees(learner, xs, file=file)
    alone = [served(file, [x])[0] for x in xs[:3]]
    np.testing.assert_allclose(served(file, xs[:3]), alone, rtol=1e-12)
    assert served(file, []) == []


@pytest.mark.parametrize("budget", ["small", "default"])
@pytest.mark.parametrize("kept", [["site"], ["hour", "site"], ["s0"], ["s0", "s1"], []])
def test_agrees_whatever_kind_of_features_there_is(budget: Any, kept: list[str]) -> None:
    learner, rng = AutoRegressor(budget=budget, categories=("hour",)), random.Random(2)
    xs = [{name: x[name] for name in kept if name in x} for x in (event(rng) for _ in range(150))]
    for t, x in enumerate(xs):
        learner.learn_one(x, label({"hour": 0, **x}, t, rng))
    assert_agrees(learner, [*xs[:30], {}, {"site": "unheard of"}])


LABELS: dict[str, Callable[[Event, int, random.Random], float]] = {
    "constant": lambda _x, _t, _rng: 3.5,
    "zero": lambda _x, _t, _rng: 0.0,
    "noise-free": lambda x, t, _rng: x["hour"] + t % 7,
    "far from zero": lambda x, _t, rng: 1e9 + x["hour"] + rng.random(),
    "tiny": lambda _x, _t, rng: 1e-40 * rng.random(),
    "huge": lambda _x, _t, rng: 1e90 * rng.gauss(0, 1),
    "a jump": lambda _x, t, rng: rng.random() + 1000.0 * (t > 150),
    "few values": lambda _x, _t, rng: float(rng.randrange(3)),
}


@pytest.mark.parametrize("budget", ["tiny", "default"])
@pytest.mark.parametrize("make", LABELS.values(), ids=LABELS)
def test_agrees_on_degenerate_labels(budget: str, make: Callable[[Event, int, random.Random], float]) -> None:
    learner, rng = AutoRegressor(budget=budget), random.Random(5)
    for t in range(200):
        x = event(rng)
        learner.learn_one(x, make(x, t, rng))
    assert_agrees(learner, some_events(20), [make({"hour": 4}, t, random.Random(t)) for t in range(9)])


@each_budget
def test_agrees_when_rows_were_evicted_and_given_to_other_features(budget: str) -> None:
    learner = trained(budget, 400, features_max=7)
    assert learner.encoder.vocabulary.evicted > 100
    assert_agrees(learner, some_events(60), [2.0, -1.0])


@each_budget
def test_agrees_on_values_that_come_again(budget: Any) -> None:
    rng, learner = random.Random(8), AutoRegressor(budget=budget)
    effects = [rng.gauss(0.0, 5.0) for _ in range(24)]
    for t in range(400):
        x = {"hour": t % 24, "load": rng.gauss(0.0, 1.0), "kind": rng.choice(["a", "b"]), "day": t // 24 % 7}
        learner.learn_one(x, effects[t % 24] + x["load"] + rng.gauss(0.0, 0.1))
    # The day has not come again often enough.
    assert [int(part) for part in learner.state_dict()["values.parts"]].count(1) == 1
    xs: list[Event] = [{"hour": hour, "load": 0.5, "kind": "a", "day": 3} for hour in range(26)]
    xs += [{}, {"hour": "7"}, {"hour": 7.5}, {"hour": math.nan, "load": 1.0}, {"hour": -0.0}, {"hour": 1e300}]
    assert_agrees(learner, xs)
    assert_agrees(learner, xs, [1.0, -3.0])


def mixing(learner: Any, *members: int) -> Any:
    """The same learner, of which only some members count, each as much as the others."""
    state = learner.state_dict()
    state["mixture.regrets"][:] = 0.0
    state["mixture.regrets"][0][:, list(members)] = 1.0
    learner.load_state_dict(state)
    return learner


def test_the_nearest_events_are_those_of_the_learner_to_the_last_bit() -> None:
    learner, rng = trained("default", 700), np.random.default_rng(7)
    neighbours = [i for i, name in enumerate(learner.model.names()) if "nearest neighbours" in name]
    assert len(neighbours) == 2
    xs = some_events(100)
    for tied in (False, True):
        if tied:
            # Hundreds of events at the same distance, with different labels: those that are stored first count.
            state = learner.state_dict()
            state["neighbours.inputs"] = state["neighbours.inputs"][rng.integers(0, 4, len(state["neighbours.inputs"]))]
            learner.load_state_dict(state)
        for member in neighbours:
            mixing(learner, member)
            live = [learner.predict_one(x) for x in xs]
            assert len(set(live)) > (3 if tied else 90)
            # All other members have a very small part of the weight.
            np.testing.assert_allclose(served(ONNX.export(learner, {}), xs), live, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("weight", "expected"), [(-1e308, "last"), (1e308, "highest")])
def test_a_broken_member_repeats_the_last_label_and_a_large_one_is_bounded(weight: float, expected: str) -> None:
    learner, rng = AutoRegressor(budget="tiny"), random.Random(3)
    for _ in range(100):
        learner.learn_one({"a": rng.gauss(0, 1)}, rng.gauss(0, 1))
    state = learner.state_dict()
    # At five deviations each overflows: the sum of infinities of different signs is no number.
    state["squares1.weights"][[0, -1]] = 1e308, weight
    learner.load_state_dict(state)
    mixing(learner, 10)
    x, last, lowest = {"a": 1e6}, 1e4, float(state["history.numbers"][-2])
    answer = {"last": last, "highest": last + 0.25 * (last - lowest)}[expected]
    live = learner.with_labels([last]).predict_one(x)
    # All other members have a very small part of the weight.
    assert live == pytest.approx(answer, rel=1e-3)
    assert served(ONNX.export(learner, {}), [x], [last]) == pytest.approx([live], rel=1e-9)


def of_sites(rng: random.Random, named: bool) -> Event:
    """An event of one of eight sites, two of which came for the first time after the snapshot."""
    site = rng.randrange(8)
    return {"load": rng.random(), "twin": float(rng.randrange(3)), "site": f"s{site}" if named else 10.0 * site}


@pytest.mark.parametrize("budget", ["tiny", "default"])
@pytest.mark.parametrize("named", [False, True])
def test_agrees_on_the_last_label_of_a_site(budget: Any, named: bool) -> None:
    learner, rng = AutoRegressor(budget=budget), random.Random(8)
    levels = {site: rng.gauss(0, 50) for site in range(8)}
    for _ in range(600):
        x = of_sites(rng, named)
        site = int(str(x["site"])[1:]) if named else int(x["site"] / 10)
        if site < 6:
            learner.learn_one(x, levels[site] + rng.gauss(0, 1))
    state = learner.state_dict()
    assert (state["keys.gains"][2] > 0.02).any()
    xs = [*(of_sites(rng, named) for _ in range(40)), {"load": 0.5}, {"site": None}, {"site": "s1", "load": math.inf}]
    assert_agrees(learner, xs)
    assert_agrees(learner, xs, [3.0, math.nan, 40.0])
    # Several features that may be the key. The best ones have not been seen with every value.
    gains = {"load": 0.5, "twin": 0.3}
    state["keys.gains"][2, 1:] = [gains.get(name, 0.4) for name in state["features"]]
    # The last label of the key, which is the fifth forecast, and nothing else.
    state["mixture.regrets"][:] = 0.0
    state["mixture.regrets"][0, :, 4] = 1.0
    learner.load_state_dict(state)
    live = [learner.predict_one(x) for x in xs]
    assert len({round(value) for value in live}) > 3
    assert_agrees(learner, xs)


def test_the_key_does_not_depend_on_the_order_of_wide_events() -> None:
    learner, rng = AutoRegressor(budget="tiny"), random.Random(1)
    levels = [rng.gauss(0, 50) for _ in range(8)]
    xs = []
    for _ in range(400):
        site = rng.randrange(8)
        items = [("site", float(site)), *((f"f{i}", rng.random()) for i in range(24) if rng.random() < 0.9)]
        rng.shuffle(items)
        xs.append(dict(items))
        learner.learn_one(xs[-1], levels[site] + rng.gauss(0, 1))
    assert learner.model.keyed.key() == learner.encoder.vocabulary.keys().index("site") + 1
    assert_agrees(learner, xs[-60:])


# --- Further labels ---------------------------------------------------------------------------------------------------


@each_budget
@pytest.mark.parametrize("n", [0, 1, 2, 4, 30, 700])
def test_follows_the_labels_that_it_is_given(budget: str, n: int) -> None:
    learner = trained(budget, n)
    file, xs = ONNX.export(learner, {}), some_events(10)
    rng = random.Random(4)
    many = [rng.gauss(3, 5) for _ in range(200)]
    for labels in ([], [1.5], [math.nan], [1.5, math.nan, math.inf, -2.0, 1e100], many[:9], many):
        assert_agrees(learner, xs, labels, file)


def test_labels_matter() -> None:
    learner = trained("default", 700)
    file, xs = ONNX.export(learner, {}), some_events(5)
    before = served(file, xs)
    state = learner.state_dict()
    last = float(state["history.labels"][-1])
    assert served(file, xs, [math.nan, math.inf]) == before
    assert np.abs(np.subtract(served(file, xs, [last + 3.0]), before)).min() > 0.001


@given(
    st.lists(st.floats(allow_subnormal=False), max_size=12),
    st.sampled_from([0, 1, 2, 4, 30]),
    st.sampled_from(["tiny", "default"]),
)
@settings(max_examples=25, deadline=None)
def test_follows_any_labels(labels: list[float], n: int, budget: str) -> None:
    learner = trained(budget, n)
    sane = [abs(value) for value in labels if abs(value) < 1e100]
    follower = learner.with_labels(labels)
    xs = some_events(3)
    live = [follower.predict_one(x) for x in xs]
    # A label far beyond those that were learned is the unit of what cancels out.
    scale = max([target_scale(learner), *sane])
    got = served(ONNX.export(learner, {}), xs, labels)
    np.testing.assert_allclose(got, live, rtol=TOLERANCE, atol=TOLERANCE * scale)


def wave(t: int) -> float:
    return 20.0 + 10.0 * math.sin(2.0 * math.pi * t / 24)


def test_the_seasonal_labels_come_from_the_file_until_there_are_enough_new_ones() -> None:
    learner = AutoRegressor(budget="tiny")
    for t in range(1000):
        learner.learn_one({"t": 1.0}, wave(t))
    described: Any = ONNX.describe(learner)
    told = described["metadata"]["labels"]
    assert (told["learned"], told["periods"][0] % 24, told["order"]) == (1000, 0, "oldest first")
    assert told["needed"] == max(100, *told["periods"]) + (max(told["periods"]) >= 100)
    file = ONNX.export(learner, {})
    for count in (0, 1, 23, 24, 25, 100):
        following = [wave(1000 + t) for t in range(count)]
        assert served(file, [{"t": 1.0}], following) == pytest.approx([wave(1000 + count)], abs=0.5)
        assert_agrees(learner, [{"t": 1.0}, {}], following, file)
    # From then on, it makes no difference which labels the file holds.
    state = learner.state_dict()
    state["history.labels"] = state["history.labels"][::-1].copy()
    other = AutoRegressor(budget="tiny")
    other.load_state_dict(state)
    following = [random.Random(t).random() for t in range(told["needed"])]
    assert served(ONNX.export(other, {}), [{"t": 1.0}], following) == served(file, [{"t": 1.0}], following)
    assert served(ONNX.export(other, {}), [{"t": 1.0}]) != served(file, [{"t": 1.0}])


@pytest.mark.parametrize("periods", [(30, 7), (29, 31), (32, 0)])
def test_a_season_counts_once_there_are_labels_from_before_it(periods: tuple[int, int]) -> None:
    learner = trained("tiny", 30)
    state = learner.state_dict()
    state["history.counts"][1:3] = periods
    # Both seasonal members of both periods, beside those that get seasonal lags.
    state["mixture.regrets"][0, :, 5:9] = 1.0, 2.0, 3.0, 4.0
    learner.load_state_dict(state)
    file = ONNX.export(learner, {})
    for labels in ([], [1.5], [1.5, -0.5], [1.5, -0.5, 2.5]):
        assert_agrees(learner, some_events(5), labels, file)


def test_labels_are_refused_where_they_mean_nothing() -> None:
    model = LinearRegressor()
    model.learn_one({"a": 1.0}, 1.0)
    file = ONNX.export(model, {})
    assert ONNX.predict(file, [{"x": {"a": 1.0}}], []) == [1.0]
    with pytest.raises(ExportError, match=r"A snapshot of LinearRegressor takes no labels\. Got 2\."):
        ONNX.predict(file, [{"x": {"a": 1.0}}], [1.0, 2.0])
    automatic = ONNX.export(trained("tiny", 5), {})
    with pytest.raises(ValueError, match="`labels` must hold real numbers"):
        ONNX.predict(automatic, [{"x": {}}], ["1.5"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="`labels` must be an array of 1 dimensions"):
        ONNX.predict(automatic, [{"x": {}}], [[1.5]])  # type: ignore[list-item]


# --- The gate ---------------------------------------------------------------------------------------------------------


class Deaf(OnnxAdapter):
    """Serves a file as if no further label had come."""

    def predict(
        self, model: bytes, events: Sequence[Mapping[str, object]], labels: Sequence[float] = ()
    ) -> list[float]:
        assert labels is not None
        return super().predict(model, events)


@each_budget
def test_the_gate_gives_labels_too(budget: str) -> None:
    learner, rng = trained(budget, 700), random.Random(9)
    xs = [event(rng) for _ in range(50)]
    events = [{"x": x, "y": label(x, t, rng)} for t, x in enumerate(xs)]
    file = ONNX.export(learner, {})
    assert check_parity(learner, ONNX, file, events, tolerance=1e-5).max_rel_diff < TOLERANCE
    with pytest.raises(ExportError, match="differs from the live model"):
        check_parity(learner, Deaf(), file, events, tolerance=1e-5)
    unlabelled = [{"x": x, "y": None} for x in xs]
    assert check_parity(learner, Deaf(), file, unlabelled, tolerance=1e-5).holds


def test_a_hash_cannot_be_exported() -> None:
    learner = AutoRegressor(budget="tiny", hash_bits=8)
    learner.learn_one({"temp": 1.0, "site": "north"}, 1.0)
    for call in (lambda: ONNX.export(learner, {}), lambda: ONNX.describe(learner)):
        with pytest.raises(ExportError, match="share rows by a hash that ONNX cannot compute"):
            call()
