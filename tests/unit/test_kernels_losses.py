"""The derivatives of the losses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import LOSSES
from strategies import losses

from edgedescent.kernels.losses import gradients
from edgedescent.losses import AdaptiveHuberLoss, Loss

numbers = st.one_of(st.floats(-100, 100), st.sampled_from([0.0, 1e100, -1e100]))


def slopes(loss: Loss, targets: list[float], predictions: list[float]) -> list[float]:
    return gradients(loss.rule, loss.hyper, np.array(targets, float), np.array(predictions, float))


@given(losses, st.lists(st.tuples(numbers, numbers), max_size=60))
def test_agrees_with_the_specification(loss: Loss, pairs: list[tuple[float, float]]) -> None:
    specified = LOSSES[loss.rule](*loss.hyper)
    expected = [specified.gradient(*pair) for pair in pairs]
    assert slopes(loss, [t for t, _ in pairs], [f for _, f in pairs]) == pytest.approx(expected, rel=1e-12)


def test_an_absurd_target_counts_as_a_few_typical_errors() -> None:
    typical = [0.1, -0.1] * 500
    slope = slopes(AdaptiveHuberLoss(k=3.0), [*typical, 1e99], [0.0] * 1001)[-1]
    assert slope == pytest.approx(-0.3, rel=0.02)


def test_errors_are_felt_again_after_ages_without_any() -> None:
    silence = 400_000
    after = slopes(AdaptiveHuberLoss(k=3.0), [0.0] * silence + [1.0] * 2500, [0.0] * (silence + 2500))[silence:]
    assert after[0] == pytest.approx(-0.03)
    assert after[-1] == -1.0


def test_sequences_of_unequal_length_and_unknown_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="2 targets do not pair with 1 predictions"):
        gradients("squared", (), np.zeros(2), np.zeros(1))
    with pytest.raises(ValueError, match="no compiled loss named 'cubed'"):
        gradients("cubed", (), np.zeros(2), np.zeros(2))
