"""The values and derivatives of the losses, and the ways that importance-aware steps go along them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.losses import (
    AbsoluteLoss,
    AdaptiveHuberLoss,
    EpsilonInsensitiveLoss,
    HuberLoss,
    LogisticLoss,
    Loss,
    QuantileLoss,
    SquaredLoss,
)
from edgedescent.losses._losses import evaluate, travels
from reference.losses import LOSSES, travelled
from support.strategies import EVERY_LOSS

VARIANTS = [
    # A loss in Python is its own specification.
    *(loss for loss in EVERY_LOSS if loss.rule != "python"),
    HuberLoss(delta=0.2),
    AdaptiveHuberLoss(k=1.5, rate_min=0.1),
    QuantileLoss(q=0.9),
    EpsilonInsensitiveLoss(eps=0.0),
]
# Their slope jumps, so that rounding may put a score on either side.
JUMPS = (AbsoluteLoss, QuantileLoss, EpsilonInsensitiveLoss)
every_loss = pytest.mark.parametrize("loss", VARIANTS, ids=repr)

scores = st.one_of(st.floats(-30, 30), st.floats(-3, 3))


def targets(loss: Loss) -> st.SearchStrategy[float]:
    if loss.binary:
        return st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
    return st.floats(max(loss.least, -20.0), 20.0)


def evaluated(loss: Loss, target: float, scores: list[float]) -> tuple[list[float], list[float]]:
    return evaluate(loss, np.full(len(scores), target), np.array(scores), False)


def test_every_loss_is_specified() -> None:
    assert {loss.rule for loss in VARIANTS} == set(LOSSES)


@every_loss
@given(data=st.data())
def test_agrees_with_the_specification(loss: Loss, data: st.DataObject) -> None:
    specified = LOSSES[loss.rule](*loss.hyper)
    pairs = data.draw(st.lists(st.tuples(targets(loss), scores), max_size=30))
    values, slopes = evaluate(loss, *np.array(pairs, float).reshape(-1, 2).T.copy())
    for (target, score), value, slope in zip(pairs, values, slopes, strict=True):
        assert value == pytest.approx(specified.value(target, score), rel=1e-9, abs=1e-12)
        assert slope == pytest.approx(specified.slope(target, score), rel=1e-9, abs=1e-12)
        specified.observe(target, score)


@every_loss
@given(data=st.data())
def test_the_slope_is_the_derivative_of_the_value(loss: Loss, data: st.DataObject) -> None:
    target, score = data.draw(targets(loss)), data.draw(scores)
    step = 1e-6 * max(1.0, abs(score))
    (below, value, above), (left, slope, right) = evaluated(loss, target, [score - step, score, score + step])
    if abs(right - left) > 1e-3 * (1.0 + abs(slope)):
        # There is a kink within reach.
        return
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6 + 1e-9 * abs(value))


@every_loss
@settings(max_examples=15)
@given(data=st.data(), time=st.floats(1e-3, 3.0))
def test_a_way_follows_the_slope(loss: Loss, data: st.DataObject, time: float) -> None:
    target, score = data.draw(targets(loss)), data.draw(st.floats(-3, 3))
    if isinstance(loss, LogisticLoss):
        target = round(target)
    way = travels(loss, target, score, [time])[0]
    expected = travelled(LOSSES[loss.rule](*loss.hyper), target, score, time)
    # Where the slope jumps, small steps end up to one step past the jump.
    assert way == pytest.approx(expected, rel=1e-5, abs=time / 2000 if isinstance(loss, JUMPS) else 1e-8)


@every_loss
@given(data=st.data(), time=st.floats(0, 1e6))
def test_no_way_goes_past_the_lowest_place(loss: Loss, data: st.DataObject, time: float) -> None:
    target, score = data.draw(targets(loss)), data.draw(scores)
    near, far = travels(loss, target, score, [time / 3, time])
    values, slopes = evaluated(loss, target, [score, score + near, score + far])
    room = 1e-9 * (1.0 + abs(values[0]) + abs(far))
    assert values[2] <= values[1] + room
    assert values[1] <= values[0] + room
    assert far * slopes[0] <= 0.0
    if not isinstance(loss, JUMPS):
        assert slopes[2] * slopes[0] >= -1e-6 * (1.0 + abs(slopes[0]))


def test_labels_between_the_two_go_less_far_than_the_slope_allows() -> None:
    for label in (0.2, 0.5, 0.9):
        for score in (-3.0, 0.0, 2.0):
            (way,) = travels(LogisticLoss(), label, score, [2.0])
            exact = travelled(LOSSES["logistic"](), label, score, 2.0)
            assert 0.5 * abs(exact) <= abs(way) <= abs(exact) + 1e-12


def test_an_absurd_target_counts_as_a_few_typical_errors() -> None:
    typical = [0.1, -0.1] * 500
    loss = AdaptiveHuberLoss(k=3.0)
    slopes = evaluate(loss, np.array([*typical, 1e99]), np.zeros(1001))[1]
    assert slopes[-1] == pytest.approx(-0.3, rel=0.02)


def test_errors_are_felt_again_after_ages_without_any() -> None:
    silence = 400_000
    ages = np.array([0.0] * silence + [1.0] * 2500)
    loss = AdaptiveHuberLoss(k=3.0)
    after = evaluate(loss, ages, np.zeros(len(ages)))[1][silence:]
    assert after[0] == pytest.approx(-0.03)
    assert after[-1] == -1.0


@every_loss
def test_extremes_stay_finite(loss: Loss) -> None:
    for target in (0.0, 1.0, *(() if loss.binary else (1e100, max(loss.least, -1e100)))):
        for score in (-1e100, -800.0, 0.0, 800.0, 1e100):
            _, (slope,) = evaluated(loss, target, [score])
            assert math.isfinite(slope)
            assert all(map(math.isfinite, travels(loss, target, score, [0.0, 1e-300, 1.0, 1e100])))


class Cubed(Loss):
    rule = "cubed"


def test_sequences_of_unequal_length_and_unknown_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="2 targets do not pair with 1 scores"):
        evaluate(SquaredLoss(), np.zeros(2), np.zeros(1))
    with pytest.raises(ValueError, match="no compiled loss named 'cubed'"):
        evaluate(Cubed(), np.zeros(2), np.zeros(2))
