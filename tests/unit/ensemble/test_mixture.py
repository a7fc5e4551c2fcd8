"""Mixture of experts: MLpol and its stacks against their reference, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.ensemble._mixture import Mixture
from edgedescent.losses import AbsoluteLoss, HuberLoss, Loss, QuantileLoss, SquaredLoss
from reference.ensemble import Mixture as Specified

LOWEST, HIGHEST = -1e3, 1e3
ABSOLUTE = AbsoluteLoss()


@pytest.mark.parametrize("loss", [ABSOLUTE, SquaredLoss(), QuantileLoss(q=0.2)], ids=repr)
@pytest.mark.parametrize("stacks", [(), (0.999, 0.9999)])
def test_weights_and_predictions_are_those_specified(stacks: tuple[float, ...], loss: Loss) -> None:
    rng = np.random.default_rng(1)
    mixture, specified = Mixture(4, stacks, 0.99, loss), Specified(4, stacks, 0.99, loss)
    labels = rng.normal(size=300).cumsum()
    for n in range(1, 300):
        base, y = float(labels[n - 1]), float(labels[n])
        noise = np.array([0.0, 0.3, 2.0, 0.5]) if n < 150 else np.array([0.0, 2.0, 0.3, 0.5])
        predictions = np.array([base, y, y, 0.9 * y]) + noise * rng.normal(size=4)
        if n % 40 == 0:
            predictions[3] = [np.nan, np.inf, -np.inf][n // 40 % 3]
        got, expected = (one(predictions, base, LOWEST, HIGHEST) for one in (mixture.mix_one, specified.mix))
        assert got == pytest.approx(expected, rel=1e-6)
        mixture.learn_one(base, y)
        specified.learn(base, y)
    np.testing.assert_allclose(mixture.experts(), [specified.weights(), specified.errors], rtol=1e-5, atol=1e-12)
    assert mixture.mean_error == pytest.approx(specified.error, rel=1e-6)


def test_it_is_nearly_as_good_as_the_best_member_and_follows_when_another_is_better() -> None:
    rng = np.random.default_rng(2)
    mixture = Mixture(3, (), 0.999, ABSOLUTE)
    errors = []
    for n in range(4000):
        y = float(rng.normal())
        off = [5.0, 0.1, 3.0] if n < 2000 else [5.0, 3.0, 0.1]
        prediction = mixture.mix_one(y + np.array(off), 0.0, LOWEST, HIGHEST)
        errors.append(abs(prediction - y))
        mixture.learn_one(0.0, y)
    assert np.mean(errors[1000:2000]) < 0.15
    assert np.mean(errors[3000:]) < 0.15


def test_a_stack_corrects_members_that_are_all_off() -> None:
    rng = np.random.default_rng(3)
    alone, stacked = Mixture(2, (), 0.999, ABSOLUTE), Mixture(2, (0.999,), 0.999, ABSOLUTE)
    errors: dict[Mixture, list[float]] = {alone: [], stacked: []}
    for _ in range(1000):
        a, b = rng.normal(size=2)
        for mixture, so_far in errors.items():
            prediction = mixture.mix_one(np.array([2.0 * a, 2.0 * b]), 0.0, LOWEST, HIGHEST)
            so_far.append(abs(prediction - (3.0 * a - b)))
            mixture.learn_one(0.0, 3.0 * a - b)
    assert np.mean(errors[stacked][500:]) < 0.1 * np.mean(errors[alone][500:])


def test_weights_are_a_distribution_without_zeros() -> None:
    mixture = Mixture(3, (0.99,), 0.99, ABSOLUTE)
    for n in range(100):
        mixture.mix_one(np.array([1.0, 2.0, float(n)]), 0.0, LOWEST, HIGHEST)
        mixture.learn_one(0.0, float(n))
    weights = mixture.experts()[0]
    assert weights.min() > 0.0
    assert weights.sum() == pytest.approx(1.0)


def test_predictions_stay_in_their_range() -> None:
    mixture = Mixture(2, (0.99,), 0.99, ABSOLUTE)
    for n in range(50):
        assert -3.0 <= mixture.mix_one(np.array([1e9, -1e9 * n]), 0.0, -3.0, 4.0) <= 4.0
        mixture.learn_one(0.0, float(n % 3))


def test_more_stacks_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 4 stacks\. Got 5"):
        Mixture(2, (0.9,) * 5, 0.99, ABSOLUTE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mixture.regrets", -np.ones((2, 2, 3))),
        ("mixture.regrets", np.ones((2, 3))),
        ("mixture.rules", -np.ones((2, 2))),
        ("mixture.errors", np.zeros(2)),
        ("mixture.numbers", -np.ones(3)),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, value: object) -> None:
    mixture = Mixture(2, (0.99,), 0.99, ABSOLUTE)
    with pytest.raises(ValueError, match="mixture"):
        mixture.restore({**mixture.save(), name: value})


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
def test_so_many_labels_are_below_the_quantile_although_all_experts_are_in_the_middle(q: float) -> None:
    rng = np.random.default_rng(4)
    mixture, below = Mixture(2, (), 0.999, QuantileLoss(q=q)), []
    for _ in range(3000):
        middle = float(rng.normal())
        y = middle + float(rng.exponential())
        below.append(y <= mixture.mix_one(np.array([middle, 0.0]), 0.0, LOWEST, HIGHEST))
        mixture.learn_one(0.0, y)
    assert np.mean(below[300:]) == pytest.approx(q, abs=0.01)


def test_the_squared_loss_trusts_the_mean_and_the_absolute_loss_the_median() -> None:
    rng = np.random.default_rng(5)
    weights = {}
    for loss in (ABSOLUTE, SquaredLoss()):
        mixture = Mixture(2, (), 0.999, loss)
        for _ in range(3000):
            mixture.mix_one(np.array([np.log(2.0), 1.0]), 0.0, LOWEST, HIGHEST)
            mixture.learn_one(0.0, float(rng.exponential()))
        weights[loss.rule] = mixture.experts()[0][1]
    assert weights["absolute"] < 0.4
    assert weights["squared"] > 0.6


def test_another_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"minimizes AbsoluteLoss, SquaredLoss or QuantileLoss\. Got HuberLoss"):
        Mixture(2, (), 0.99, HuberLoss())
