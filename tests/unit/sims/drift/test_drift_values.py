"""What each drift changes, against the equation in its docstring, one event after the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgedescent_sims.drift import (
    CategorySwap,
    Drift,
    Fad,
    FeatureSwap,
    ItemLaunch,
    LabelDelayChange,
    LabelNoise,
    PopularityFeedback,
    SignFlip,
    TasteShift,
    UserChurn,
    WeightChange,
)
from edgedescent_sims.drift.reference import REFERENCE_EVENTS
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource
from support.drifting_streams import WEIGHTS, example, linear_stream, ratings_stream, read

AT = 150
Row = dict[str, Any]
"""One event: its columns, and `y`, `target` and `optimum`."""

UNITS = {"centers": (20.0, -1.0), "scales": (3.0, 0.5)}


def rows(stream: Any) -> list[Row]:
    batch = read(stream)
    names = [*batch.columns, "y", "target", "optimum"]
    values = [(batch.columns[name] if name in batch.columns else getattr(batch, name)).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def labels(row: Row, function: Callable[[float], float]) -> Row:
    return {name: function(row[name]) for name in ("y", "target", "optimum")}


def z(row: Row) -> tuple[float, float]:
    z0, z1 = (row["x0"] - 20.0) / 3.0, (row["x1"] + 1.0) / 0.5
    return z0, 0.0 if math.isnan(z1) else z1


def swapped(row: Row) -> Row:
    z0, z1 = (row["x0"] - 20.0) / 3.0, (row["x1"] + 1.0) / 0.5
    return {"x0": 20.0 + 3.0 * z1, "x1": -1.0 + 0.5 * z0}


FULL: list[tuple[str, dict[str, Any], Callable[[Row], Row]]] = [
    ("WeightChange", {"deltas": (3.0, 1.0), **UNITS}, lambda r: labels(r, lambda y: y + 3.0 * z(r)[0] + z(r)[1])),
    ("InteractionAppears", {"weight": 3.0, **UNITS}, lambda r: labels(r, lambda y: y + 3.0 * z(r)[0] * z(r)[1])),
    ("SignFlip", {"centers": (20.0,)}, lambda r: {"x0": 40.0 - r["x0"]}),
    ("FeatureSwap", UNITS, swapped),
    ("FeatureSwap", {"rescale": False}, lambda r: {"x0": r["x1"], "x1": r["x0"]}),
    (
        "CategorySwap",
        {"values": ("east", "west")},
        lambda r: {"site": {"east": "west", "west": "east"}.get(r["site"], r["site"])},
    ),
    ("CovariateShift", {}, lambda r: {"x0": r["x0"] + 1.0, "x1": r["x1"] - 2.0}),
    ("CovariateScale", {}, lambda r: {"x0": 1.8 * r["x0"] + 32.0}),
    ("CovariateScale", {"offset": 0.0, "center": 20.0}, lambda r: {"x0": 20.0 + 1.8 * (r["x0"] - 20.0)}),
    ("SensorLost", {"column": "x0"}, lambda _: {"x0": math.nan, "optimum": math.nan}),
    ("SensorLost", {}, lambda r: {"site": None, "optimum": r["optimum"] if r["site"] is None else math.nan}),
    ("SensorReplaced", {}, lambda r: {"x0": math.nan, "x0_new": 0.001 * r["x0"]}),
    ("SensorReplaced", {"new_name": None, "offset": 1.0}, lambda r: {"x0": 0.001 * r["x0"] + 1.0}),
    ("LabelBias", {}, lambda r: labels(r, lambda y: y + 5.0)),
    ("LabelUnit", {}, lambda r: labels(r, lambda y: 1.8 * y + 32.0)),
    ("UserChurn", {"users": 1.0}, lambda r: {"user": r["user"] + "-new"}),
    ("ItemLaunch", {"share": 1.0}, lambda r: {"item": r["item"] + "-new"}),
    ("MarkedDrift", {}, lambda _: {}),
]


@pytest.mark.parametrize(("name", "change", "expected"), FULL, ids=[name for name, _, _ in FULL])
def test_after_the_drift_exactly_its_equation_holds(
    name: str, change: dict[str, Any], expected: Callable[[Row], Row]
) -> None:
    drift = example(name, at=AT, **change)
    for number, (old, new) in enumerate(zip(rows(drift.source), rows(drift), strict=True), start=1):
        wanted = {**old, **(expected(old) if number > AT else {})}
        for column, value in wanted.items():
            assert same(new[column], value), (number, column)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def test_a_sensor_that_appears_was_missing_before() -> None:
    drift = example("SensorAppears", at=AT, column="x0")
    before, after = read(drift.source), read(drift)
    assert np.isnan(after.column("x0")[:AT]).all()
    assert np.isnan(after.optimum[:AT]).all()
    assert (after.column("x0")[AT:] == before.column("x0")[AT:]).all()
    assert (after.optimum[AT:] == before.optimum[AT:]).all()


def test_where_there_was_no_value_the_optimum_stays_known() -> None:
    drift = example("SensorLost", at=0, column="x1")
    was_missing = np.isnan(read(drift.source).column("x1"))
    assert was_missing.any()
    assert (np.isnan(read(drift).optimum) == ~was_missing).all()


@pytest.mark.parametrize("name", ["WeightChange", "CovariateShift", "CovariateScale", "LabelBias", "LabelUnit"])
def test_an_incremental_drift_interpolates(name: str) -> None:
    half = example(name, at=0, shape="incremental", width=800)
    full = example(name, at=0)
    before, partly, wholly = read(half.source), read(half), read(full)
    share = before.number / 800
    for column in ("x0", "x1"):
        wanted = before.column(column) + share * (wholly.column(column) - before.column(column))
        np.testing.assert_allclose(partly.column(column).astype(float), wanted.astype(float), rtol=1e-12)
    for array in ("y", "target", "optimum"):
        old, new = getattr(before, array), getattr(wholly, array)
        np.testing.assert_allclose(getattr(partly, array), old + share * (new - old), rtol=1e-12)


@pytest.mark.parametrize("name", ["SignFlip", "FeatureSwap", "CategorySwap", "SensorReplaced", "SensorLost"])
def test_what_cannot_be_interpolated_happens_to_more_and_more_events(name: str) -> None:
    partly, wholly = example(name, at=0, shape="incremental", width=400), example(name, at=0)
    column = next(iter(sorted(partly.touched() & set(read(partly.source).columns))))
    before, some, every = (read(each).column(column) for each in (partly.source, partly, wholly))
    is_old = np.array([same(one, other) for one, other in zip(some.tolist(), before.tolist(), strict=True)])
    is_new = np.array([same(one, other) for one, other in zip(some.tolist(), every.tolist(), strict=True)])
    assert (is_old | is_new).all()
    changes = ~np.array([same(one, other) for one, other in zip(before.tolist(), every.tolist(), strict=True)])
    assert is_new[:100][changes[:100]].mean() < 0.3
    assert is_new[300:][changes[300:]].mean() > 0.7


# --- Known truth --------------------------------------------------------------------------------------------------


def test_the_optimum_after_a_change_of_weights_is_that_of_the_new_weights() -> None:
    new_weights = {"x0": WEIGHTS["x0"] + 3.0, "x1": WEIGHTS["x1"] - 4.0}
    drift = WeightChange(
        linear_stream(), columns=("x0", "x1"), deltas=(3.0, -4.0), centers=(0, 0), scales=(1, 1), at=AT
    )
    events = read(drift)
    known = ~np.isnan(events.column("x1").astype(float))
    for start, end, weights in ((0, AT, WEIGHTS), (AT, len(events), new_weights)):
        span = events.take(slice(start, end)).take(known[start:end])
        wanted = weights["x0"] * span.column("x0") + weights["x1"] * span.column("x1")
        np.testing.assert_allclose(span.optimum, wanted.astype(float), rtol=1e-9)


def test_after_a_sign_flip_the_fitted_slope_has_the_other_sign_and_the_column_its_distribution() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(20.0, 3.0, 3000)
    stream = InMemorySource(Batch.of({"x": x}, 2.0 * x, optimum=2.0 * x))
    events = read(SignFlip(stream, columns=("x",), at=1500))
    flipped = events.column("x").astype(float)
    assert np.polyfit(flipped[:1500], events.y[:1500], 1)[0] == pytest.approx(2.0)
    assert np.polyfit(flipped[1500:], events.y[1500:], 1)[0] == pytest.approx(-2.0)
    assert flipped[1500:].mean() == pytest.approx(2 * x[:1000].mean() - x[1500:].mean())
    assert flipped[1500:].std() == pytest.approx(x[1500:].std())


def test_centers_and_scales_are_those_of_the_first_events() -> None:
    x = np.concatenate([np.arange(REFERENCE_EVENTS, dtype=float), np.full(2000, 1e6)])
    stream = InMemorySource(Batch.of({"x": x}, np.zeros(len(x))), batch_events=999)
    events = read(WeightChange(stream, columns=("x",), deltas=(1.0,), at=2000))
    first = x[:REFERENCE_EVENTS]
    assert events.y[2000] == (1e6 - first.mean()) / first.std()


def test_a_swap_keeps_the_center_and_the_spread_of_each_feature() -> None:
    before, after = linear_stream(), read(FeatureSwap(linear_stream(), columns=("x0", "x1"), at=0))
    for name in ("x0", "x1"):
        old, new = (batch.column(name).astype(float) for batch in (read(before), after))
        assert np.nanmean(new) == pytest.approx(np.nanmean(old), abs=0.01)
        assert np.nanstd(new) == pytest.approx(np.nanstd(old), rel=0.01)


# --- Those with draws ---------------------------------------------------------------------------------------------


def test_noise_is_the_worlds_so_target_has_it_and_the_optimum_has_not() -> None:
    drift = LabelNoise(linear_stream(4000), std=2.0, at=1000)
    before, after = read(drift.source), read(drift)
    noise = (after.target - before.target)[1000:]
    assert noise.mean() == pytest.approx(0.0, abs=0.15)
    assert noise.std() == pytest.approx(2.0, abs=0.15)
    assert after.optimum.tobytes() == before.optimum.tobytes()
    known = ~np.isnan(before.y[1000:])
    np.testing.assert_allclose((after.y - before.y)[1000:][known], noise[known], atol=1e-9)


def test_categories_swap_in_a_circle_without_a_fixed_point() -> None:
    drift = CategorySwap(linear_stream(), column="site", at=0)
    pairs = set(zip(read(drift.source).column("site").tolist(), read(drift).column("site").tolist(), strict=True))
    assert len(pairs) == 4
    assert all(one != other for one, other in pairs if one is not None)
    assert {other for _, other in pairs} == {"east", "north", "west", None}


def test_the_share_of_the_users_that_change_their_taste() -> None:
    drift = TasteShift(ratings_stream(3000), users=0.5, at=1000)
    before, after = read(drift.source), read(drift)
    changes = {}
    follows: dict[str, set[str]] = {}
    for user, old, new in zip(
        after.column("user")[1000:], before.column("item")[1000:], after.column("item")[1000:], strict=True
    ):
        changes.setdefault(user, set()).add(old != new)
        if old != new:
            follows.setdefault(old, set()).add(new)
    # A user changes wholly or not at all, and all of them by the same permutation.
    assert all(len(each) == 1 for each in changes.values())
    assert 8 <= sum(True in each for each in changes.values()) <= 22
    assert all(len(each) == 1 for each in follows.values())
    assert len({next(iter(each)) for each in follows.values()}) == len(follows)


def test_new_items_take_their_share_of_the_events() -> None:
    events = read(ItemLaunch(ratings_stream(4000), items=0.5, share=0.4, at=1000)).column("item")[1000:].tolist()
    old, new = Counter(), Counter()
    for item in events:
        (new if item.endswith("-new") else old)[item.removesuffix("-new")] += 1
    assert 4 <= len(new) <= 16
    taken = sum(new.values()) / sum(new[item] + old[item] for item in new)
    assert taken == pytest.approx(0.4, abs=0.06)


def test_a_fad_bursts_and_fades() -> None:
    drift = Fad(ratings_stream(8000), n_items=2, peak=0.6, half_life=1000, at=2000)
    before, after = read(drift.source), read(drift)
    changed = before.column("item") != after.column("item")
    assert len(set(after.column("item")[changed].tolist())) == 2
    assert (np.isnan(after.optimum) == changed).all()
    expected = [0.0, *(0.6 * 0.5**age for age in (0.5, 2.5, 4.5))]
    shares = [float(changed[start : start + 1000].mean()) for start in (0, 2000, 4000, 6000)]
    assert shares == pytest.approx(expected, abs=0.07)
    assert changed[2000:2050].mean() > changed[3000:3050].mean() > 0


def test_the_rich_get_richer() -> None:
    drift = PopularityFeedback(ratings_stream(6000), strength=0.7, power=2.0, at=3000)
    before, after = (Counter(read(each).column("item")[3000:].tolist()) for each in (drift.source, drift))
    ranked = [item for item, _ in before.most_common()]
    assert sum(after[item] for item in ranked[:3]) > 1.3 * sum(before[item] for item in ranked[:3])
    assert sum(after[item] for item in ranked[10:]) < 0.5 * sum(before[item] for item in ranked[10:])


def test_new_users_come_one_after_the_other_where_the_churn_is_incremental() -> None:
    drift = UserChurn(ratings_stream(3000), shape="incremental", width=3000, at=0)
    users = read(drift).column("user").tolist()
    left: set[str] = set()
    for user in users:
        if user.endswith("-new"):
            left.add(user.removesuffix("-new"))
        else:
            assert user not in left
    assert len(left) > 25


@pytest.mark.parametrize("delay", [1, 5, 1000])
def test_late_labels_against_a_naive_queue(delay: int) -> None:
    drift = LabelDelayChange(linear_stream(batch_events=32), delay=delay, at=AT)
    source = rows(drift.source)
    wanted: list[tuple[int, float]] = []
    for number, row in enumerate(source, start=1):
        wanted.append((number, row["y"] if number <= AT else math.nan))
        late = number - delay
        if late > AT and not math.isnan(source[late - 1]["y"]):
            wanted.append((late, source[late - 1]["y"]))
    waiting = range(max(AT, len(source) - delay) + 1, len(source) + 1)
    wanted += [(number, source[number - 1]["y"]) for number in waiting if not math.isnan(source[number - 1]["y"])]
    events = read(drift)
    assert events.number.tolist() == [number for number, _ in wanted]
    assert np.array_equal(events.y, [y for _, y in wanted], equal_nan=True)
    # A late label comes with the event that it follows, and all that is scored stays known.
    assert (np.diff(events.arrival) >= 0).all()
    assert not np.isnan(events.target).any()
    assert set(np.diff(events.arrival).tolist()) <= {0.0, 1.0}


def test_a_delay_that_grows() -> None:
    drift = LabelDelayChange(linear_stream(), delay=20, shape="incremental", width=200, at=100)
    numbers, y = read(drift).number.tolist(), read(drift).y.tolist()
    place = {number: index for index, number in enumerate(numbers) if not math.isnan(y[index])}
    behind = {number: max(numbers[: place[number] + 1]) - number for number in place}
    assert all(behind[number] == round(min(max(number - 100, 0) / 200, 1) * 20) for number in behind if number < 380)


def kinds_with_draws() -> list[Drift]:
    return [example(name, at=AT, shape="gradual", width=100) for name in ("LabelBias", "SignFlip", "TasteShift")]


@pytest.mark.parametrize("drift", kinds_with_draws(), ids=lambda drift: type(drift).__name__)
def test_a_message_that_arrives_twice_is_of_one_regime(drift: Drift) -> None:
    once = read(drift.source)
    twice = once.take(np.repeat(np.arange(len(once)), 2))
    events = read(drift.around(InMemorySource(twice)))
    for column in events.columns.values():
        assert all(same(one, other) for one, other in zip(column[::2].tolist(), column[1::2].tolist(), strict=True))
    assert np.array_equal(events.y[::2], events.y[1::2], equal_nan=True)
