"""Guard against outlying labels: what it replaces, what it lets through, and how it learns which."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.ensemble._label_guard import LabelGuard

SCALE = 1.0
Admitted = tuple[float, float, float | None]


def ordinary(guard: LabelGuard, n: int = 1) -> None:
    for _ in range(n):
        assert guard.admit(0.5, 0.0, SCALE) == (0.5, 0.5, None)


def spike(guard: LabelGuard, size: float = 50.0) -> Admitted:
    """An outlier after which the labels are as before."""
    admitted = guard.admit(size, 0.0, SCALE)
    ordinary(guard)
    return admitted


def step(guard: LabelGuard, size: float = 50.0) -> Admitted:
    """A label after which the level stays; the prediction follows one label later."""
    admitted = guard.admit(size, 0.0, SCALE)
    guard.admit(size + 1.0, admitted[1], SCALE)
    guard.admit(size + 0.5, size + 1.0, SCALE)
    return admitted


def test_an_outlier_is_learned_at_the_threshold_and_its_prediction_becomes_the_lag() -> None:
    guard = LabelGuard()
    assert guard.admit(9.9, 0.0, SCALE) == (9.9, 9.9, None)
    assert guard.admit(50.0, 1.0, SCALE) == (11.0, 1.0, None)
    assert guard.admit(-50.0, 1.0, SCALE)[:2] == (-9.0, 1.0)
    assert guard.n_replaced == 2


def test_nothing_is_an_outlier_before_the_error_is_known() -> None:
    guard = LabelGuard()
    assert guard.admit(1e9, 0.0, 0.0) == (1e9, 1e9, None)


def test_two_that_agree_are_a_move_and_the_first_is_put_back() -> None:
    guard = LabelGuard()
    assert guard.admit(50.0, 0.0, SCALE) == (10.0, 0.0, None)
    assert guard.admit(51.0, 0.0, SCALE) == (51.0, 51.0, 50.0)
    assert guard.n_replaced == 1


def test_two_that_disagree_are_two_outliers() -> None:
    guard = LabelGuard()
    guard.admit(50.0, 0.0, SCALE)
    assert guard.admit(-50.0, 0.0, SCALE) == (-10.0, 0.0, None)


def test_where_levels_move_it_stops_to_replace_and_begins_again_where_spikes_come() -> None:
    guard = LabelGuard()
    moves = [step(guard)[1] for _ in range(4)]
    assert moves[0] == 0.0
    assert moves[1:] == [50.0] * 3
    spikes = [spike(guard)[1] for _ in range(12)]
    assert spikes[0] == 50.0
    assert spikes[-1] == 0.0


def test_large_moves_say_that_small_ones_are_real_and_not_the_reverse() -> None:
    large_first, small_first = LabelGuard(), LabelGuard()
    for _ in range(3):
        step(large_first, 500.0)
        step(small_first, 20.0)
    assert step(large_first, 20.0)[1] == 20.0
    assert spike(small_first, 500.0)[1] == 0.0


def test_the_way_back_from_an_outlier_that_was_let_through_is_none() -> None:
    guard = LabelGuard()
    for _ in range(3):
        step(guard)
    assert guard.admit(50.0, 0.0, SCALE)[1] == 50.0
    assert guard.admit(0.0, 50.0, SCALE) == (0.0, 0.0, None)


def test_a_saved_guard_goes_on_alike() -> None:
    rng = np.random.default_rng(2)
    guard, restored = LabelGuard(), LabelGuard()
    labels = rng.standard_t(1.5, size=400) * 5
    for y in labels[:200]:
        guard.admit(y, 0.0, SCALE)
    restored.restore(guard.save())
    assert [guard.admit(y, 0.0, SCALE) for y in labels[200:]] == [restored.admit(y, 0.0, SCALE) for y in labels[200:]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guard.losses", np.full((5, 2), 1.5)),
        ("guard.losses", np.zeros((3, 2))),
        ("guard.counts", np.array([5, 0, 0])),
        ("guard.counts", np.array([1, 0, 0])),
        ("guard.counts", np.array([-1, 0, -1])),
        ("guard.numbers", np.zeros(3)),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, value: object) -> None:
    guard = LabelGuard()
    with pytest.raises(ValueError, match="guard against outlying labels"):
        guard.restore({**guard.save(), name: value})
