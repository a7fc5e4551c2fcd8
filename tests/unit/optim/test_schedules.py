"""Schedules: each factor against its equation, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.optim import (
    SGD,
    Constant,
    CosineRestarts,
    InverseScaling,
    ReduceOnPlateau,
    Schedule,
    Step,
)
from edgedescent.optim._schedules import factors
from reference.optim import Factors
from support.strategies import SCHEDULES


def compiled(schedule: Schedule, losses: list[float]) -> list[float]:
    return factors(schedule.rule, schedule.hyper, losses)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@given(losses=st.lists(st.one_of(st.floats(-5, 5, allow_subnormal=False), st.just(0.0)), max_size=60))
def test_agrees_with_the_specification(schedule: Schedule, losses: list[float]) -> None:
    specified = [Factors(schedule).at(t, losses[:t]) for t in range(len(losses))]
    assert compiled(schedule, losses) == pytest.approx(specified, rel=1e-9, abs=1e-12)


@given(st.floats(0.01, 1.0), st.floats(0.1, 1000.0))
def test_inverse_scaling_has_fallen_to_its_power_after_the_delay(power: float, delay: float) -> None:
    (*_, last) = compiled(InverseScaling(power=power, delay=1.0), [0.0, 0.0])
    assert last == pytest.approx(2.0**-power)
    rates = compiled(InverseScaling(power=power, delay=delay), [0.0] * 50)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("growth", [1.0, 1.000001, 1.5, 2.0, 3.0])
def test_cosine_starts_again_where_a_cycle_ends(growth: float) -> None:
    period = 10
    rates = compiled(CosineRestarts(period=period, growth=growth, floor=0.1), [0.0] * 2000)
    start, length = 0.0, float(period)
    while start + length < len(rates):
        first, last = math.ceil(start - 1e-6), math.ceil(start + length - 1e-6) - 1
        cycle = rates[first : last + 1]
        assert cycle == sorted(cycle, reverse=True)
        assert cycle[0] > 0.9
        start, length = start + length, length * growth
        assert rates[math.ceil(start - 1e-6)] > rates[last]
    assert min(rates) >= 0.1


def test_a_plateau_is_left_alone_while_the_loss_falls() -> None:
    falling = [0.9 ** (t // 10) for t in range(100)]
    assert set(compiled(ReduceOnPlateau(window=10), falling)) == {1.0}
    flat = compiled(ReduceOnPlateau(window=10, decay=0.5, floor=0.1), [1.0] * 100)
    assert flat[19::10] == pytest.approx([1.0, 0.5, 0.25, 0.125, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_a_loss_of_zero_or_less_can_be_beaten_too() -> None:
    rates = compiled(ReduceOnPlateau(window=1, gain=0.1), [0.0, 0.0, -1.0, -1.05, -2.0, 0.0])
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_a_learner_slows_down_and_its_state_knows_it() -> None:
    schedule = ReduceOnPlateau(window=50, decay=0.1)
    model = LinearRegressor(optimizer=SGD(lr=0.1, schedule=schedule))
    steady = LinearRegressor(optimizer=SGD(lr=0.1))
    for n in range(600):
        for one in (model, steady):
            one.learn_one({"a": float(n % 5)}, float(n % 7))
    restored = model.clone()
    restored.load_state_dict(model.state_dict())
    moves = []
    for one in (model, restored, steady):
        before = one.state_dict()["weights"]
        one.learn_one({"a": 4.0}, 6.0)
        moves.append(abs(one.state_dict()["weights"] - before).max())
    assert moves[0] == moves[1] < 0.1 * moves[2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseScaling(power=0), "`power` of InverseScaling must be > 0"),
        (lambda: InverseScaling(power=2), "`power` of InverseScaling must be .* <= 1"),
        (lambda: InverseScaling(delay=0), "`delay` of InverseScaling must be > 0"),
        (lambda: Step(every=0), "`every` of Step must be an integer >= 1"),
        (lambda: Step(decay=1.5), "`decay` of Step must be .* <= 1"),
        (lambda: CosineRestarts(period=0.5), "`period` of CosineRestarts must be an integer >= 1"),  # type: ignore[arg-type]
        (lambda: CosineRestarts(growth=0.9), "`growth` of CosineRestarts must be >= 1"),
        (lambda: CosineRestarts(floor=1.0), "`floor` of CosineRestarts must be .* < 1"),
        (lambda: ReduceOnPlateau(window=0), "`window` of ReduceOnPlateau must be an integer >= 1"),
        (lambda: ReduceOnPlateau(decay=1.0), "`decay` of ReduceOnPlateau must be .* < 1"),
        (lambda: ReduceOnPlateau(gain=-0.1), "`gain` of ReduceOnPlateau must be >= 0"),
        (lambda: ReduceOnPlateau(floor=0.0), "`floor` of ReduceOnPlateau must be > 0"),
    ],
)
def test_parameters_are_validated(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="no compiled schedule named 'linear'"):
        factors("linear", (), [])
    with pytest.raises(ValueError, match="`schedule` of SGD must be an instance of Schedule"):
        SGD(schedule="cosine")  # type: ignore[arg-type]
    assert Constant() == SGD().schedule
