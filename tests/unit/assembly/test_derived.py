"""Derived features, against pandas and by hand; their states survive a restart."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from edgedescent.assembly import (
    DERIVED,
    Calendar,
    Derived,
    Deriver,
    Difference,
    ExponentialMean,
    Holidays,
    Lag,
    Product,
    Ratio,
    Rolling,
    TimeSince,
)
from edgedescent.assembly.settings import build_derived
from edgedescent.errors import ConfigError

EVERY: list[Derived] = [
    Lag(of=("a", "b"), steps=(1, 3)),
    Lag(of=("a",), durations_s=(7.0, 20.0)),
    Difference(of=("a",), steps=(1, 2)),
    Rolling(of=("a", "b"), statistics=("mean", "std", "min", "max", "slope", "median", "quantile"), count=4),
    Rolling(of=("a",), statistics=("mean", "max"), duration_s=12.5, values_min=2),
    ExponentialMean(of=("a", "b"), half_life_s=5.0),
    TimeSince(of=("c",)),
    Calendar(time_zone="Europe/Paris"),
    Holidays(country="DE"),
    Product(of=("a", "b")),
    Ratio(of=("a", "b")),
]


def some_rows(n: int, seed: int = 0) -> list[tuple[float, dict[str, Any]]]:
    dice, time, rows = random.Random(seed), 1_700_000_000.0, []
    for _ in range(n):
        time += dice.choice([0.0, 1.0, 2.5, 10.0])
        x: dict[str, Any] = {"a": dice.gauss(10, 3), "b": float(dice.randrange(3)), "c": dice.choice("xy")}
        for name in list(x):
            if dice.random() < 0.15:
                del x[name]
        rows.append((time, x))
    return rows


def test_all_kinds_are_tried_here() -> None:
    assert {type(one).__name__ for one in EVERY} == set(DERIVED.built_in)


def test_the_names_are_those_that_are_declared() -> None:
    deriver = Deriver(EVERY)
    made: set[str] = set()
    for time, x in some_rows(200):
        made |= set(deriver.step(x, time)) - set(x)
    assert made == set(deriver.names)


def test_it_agrees_with_pandas() -> None:
    pd = pytest.importorskip("pandas")
    rows = some_rows(300, seed=3)
    # pandas takes several rows of one time for one window by duration.
    rows = [(1e9 + 3.0 * i, x) for i, (_, x) in enumerate(rows)]
    frame = pd.DataFrame([x for _, x in rows], index=pd.to_datetime([t for t, _ in rows], unit="s"))
    found = Deriver(EVERY).transform_frame(frame)
    a, b = frame["a"], frame["b"]
    four, last = a.rolling(4, min_periods=1), a.rolling("12500ms", min_periods=2)
    expected = {
        "a.lag1": a.shift(1),
        "b.lag3": b.shift(3),
        "a.lag20s": a.shift(7),
        "a.diff2": a.diff(2),
        "a.mean4": four.mean(),
        "a.std4": four.std(),
        "a.min4": four.min(),
        "a.max4": four.max(),
        "a.median4": four.median(),
        "a.quantile0.9.4": four.quantile(0.9),
        "a.mean12.5s": last.mean(),
        "a.max12.5s": last.max(),
        "a*b": a * b,
        "a/b": (a / b).where(b != 0),
    }
    for name, series in expected.items():
        pd.testing.assert_series_equal(found[name], series, check_names=False, rtol=1e-9, atol=1e-9, obj=name)


def test_a_slope_is_that_of_the_line() -> None:
    deriver = Deriver([Rolling(of=("a",), statistics=("slope",), count=3)])
    found = [deriver.step({"a": 5.0 + 0.25 * t}, float(t)).get("a.slope3") for t in (0, 1, 4, 9)]
    assert found[0] is None
    assert found[1:] == pytest.approx([0.25] * 3)


def test_the_calendar_is_that_of_the_time_zone() -> None:
    x = Deriver([Calendar(time_zone="America/New_York")]).step({}, 1_767_607_200.0)
    # 5:00 on Monday, January 5.
    assert x["hour.sin"] == math.sin(2 * math.pi * 5 / 24)
    assert (x["weekday.sin"], x["weekday.cos"]) == (0.0, 1.0)
    assert x["yearday.cos"] == math.cos(2 * math.pi * 5 / 365.25)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: type(one).__name__)
def test_it_continues_after_a_restart(one: Derived) -> None:
    rows = some_rows(60, seed=7)
    whole, first = Deriver([one]), Deriver([one])
    expected = [whole.step(x, time) for time, x in rows]
    assert [first.step(x, time) for time, x in rows[:31]] == expected[:31]
    second = Deriver([one])
    second.restore(json.loads(json.dumps(first.save())))
    assert second.save() == first.save()
    assert [second.step(x, time) for time, x in rows[31:]] == expected[31:]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: type(one).__name__)
def test_a_prediction_leaves_no_trace(one: Derived) -> None:
    deriver = Deriver([one], time="t")
    for time, x in some_rows(20):
        before = json.dumps(deriver.save())
        asked = deriver.transform_one({**x, "t": time})
        assert json.dumps(deriver.save()) == before
        assert deriver.step({**x, "t": time}) == asked


@pytest.mark.parametrize(
    "saved", [[1, [[math.nan]]], [1, [[[[0.0], [math.inf]]]]], [1, [[[[1.0, 0.0], [1.0, 1.0]]]]], [1, []]]
)
def test_a_damaged_state_is_refused(saved: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Deriver([Lag(of=("a",), steps=(3,))]).restore(saved)


def test_it_works_in_a_pipeline_of_river() -> None:
    pytest.importorskip("edgedescent_river")
    from river import compose, linear_model, preprocessing

    dice = random.Random(1)
    pipeline = compose.Pipeline(
        Deriver([Lag(of=("a",), steps=(1,))]), preprocessing.StandardScaler(), linear_model.LinearRegression()
    )
    before, errors = 0.0, []
    for _ in range(1000):
        x = {"a": dice.gauss(0, 1)}
        # Two predictions of one event do not count as two rows.
        pipeline.predict_one(x)
        errors.append(abs(pipeline.predict_one(x) - before))
        pipeline.learn_one(x, before)
        before = x["a"]
    assert sum(errors[-100:]) / 100 < 0.1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"type": "Lagg"}, "`derive[0].type` is 'Lagg': expected one of "),
        ({"type": "Lag", "of": ["a"]}, "`derive[0]`: Lag needs either `steps` or `durations_s`."),
        ({"type": "Lag", "of": [], "steps": [1]}, "`derive[0]`: The `of` of Lag must be 1 to 1000 values. Got []."),
        (
            {"type": "Lag", "of": ["a"], "steps": [0]},
            "`derive[0]`: The `steps` of Lag must be an integer >= 1 and <= 10000.",
        ),
        ({"type": "Rolling", "of": ["a"]}, "`derive[0]`: Rolling needs either `count` or `duration_s`."),
        (
            {"type": "Rolling", "of": ["a"], "count": 2, "statistics": ["mode"]},
            "`derive[0]`: The `statistics` of Rolling must",
        ),
        ({"type": "Calendar", "time_zone": "Mars"}, "`derive[0]`: `time_zone` is 'Mars': expected a time zone"),
        (
            {"type": "Holidays", "country": "XX"},
            "`derive[0]`: The `country` and `subdivision` of Holidays must be known.",
        ),
        ({"type": "Ratio", "of": ["a"]}, "`derive[0]`: The `of` of Ratio must be 2 to 2 values."),
    ],
)
def test_a_wrong_declaration_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_derived(table, "derive[0]")
    assert str(caught.value).startswith(message)


def test_two_features_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^Two derived features are named 'a.lag1'.$"):
        Deriver([Lag(of=("a",), steps=(1, 2)), Lag(of=("a",), steps=(1,))])
