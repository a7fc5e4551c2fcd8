"""The shared contract, on every learner that the project exports.

All checks run on each learner as it comes and in the configurations that reach the rest of its state. Every optimizer,
schedule and loss then meets every learner once, in what their arithmetic could break.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from edgedescent import AutoRegressor
from edgedescent.config import build, describe
from edgedescent.learners import Learner
from edgedescent.losses import Loss, QuantileLoss, SquaredLoss
from edgedescent.optim import Adam, MiniBatch, ReduceOnPlateau
from edgedescent.testing import LEARNER_CHECKS
from edgedescent.testing.learners import (
    check_broken_input_does_no_harm,
    check_broken_targets_teach_nothing,
    check_is_deterministic,
    check_learn_many_is_one_by_one,
    check_learns,
    check_predict_learn_one_is_both,
    check_predicting_leaves_the_state,
    check_state_round_trip,
)
from support.evolving import evolving_early
from support.exported import GRADIENT_LEARNERS, LEARNERS, LOSSES, OPTIMIZED, OPTIMIZERS, SCHEDULES, accepts_loss, small

every_check = pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
every_learner = pytest.mark.parametrize("learner", LEARNERS)
every_gradient_learner = pytest.mark.parametrize("learner", GRADIENT_LEARNERS)
every_optimized_learner = pytest.mark.parametrize(("learner", "optimizer"), OPTIMIZED)
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


def accepts_levels(kind: Callable[..., Learner]) -> bool:
    """True for a learner with prediction intervals: its targets are numbers."""
    try:
        small(kind, interval_levels=(0.9,))
    except TypeError:
        return False
    except ValueError as error:
        assert "must be none, because its targets are binary" in str(error)  # noqa: PT017 - of a learner in a list
        return False
    return True


PAIRS = [(learner, loss) for learner in LEARNERS for loss in LOSSES if accepts_loss(learner, loss())]


def check_arithmetic(model: Learner) -> None:
    """What a rule, a schedule or a loss could break: the other checks do not depend on their arithmetic."""
    check_learns(model)
    check_is_deterministic(model)
    # Whatever it keeps for each parameter is saved, restored and goes on with the same bits.
    check_state_round_trip(model)
    check_predict_learn_one_is_both(model)
    check_learn_many_is_one_by_one(model)
    check_predicting_leaves_the_state(model)
    check_broken_targets_teach_nothing(model)
    check_broken_input_does_no_harm(model)


@every_check
@every_learner
def test_contract_of_the_defaults(learner: Callable[..., Learner], check: Callable[[Learner], None]) -> None:
    check(learner())


@every_check
@every_gradient_learner
def test_contract_with_all_that_has_a_state(learner: Callable[..., Learner], check: Callable[[Learner], None]) -> None:
    schedule = ReduceOnPlateau(window=20)
    adam = Adam(schedule=schedule, clip_value=3.0, clip_norm=5.0, average_rate=0.1)
    check(small(learner, optimizer=MiniBatch(optimizer=adam, size=3), replay_steps=1, replay_size=5))


@every_check
@pytest.mark.parametrize("budget", ["tiny", "small"])
def test_contract_of_each_budget(budget: Literal["tiny", "small"], check: Callable[[Learner], None]) -> None:
    check(AutoRegressor(budget=budget))


@every_check
def test_contract_with_networks_that_evolve(check: Callable[[Learner], None], monkeypatch: pytest.MonkeyPatch) -> None:
    evolving_early(monkeypatch, every=15)
    check(AutoRegressor())


@every_check
@pytest.mark.parametrize("loss", [SquaredLoss(), QuantileLoss(q=0.9)], ids=repr)
def test_contract_of_each_loss(loss: Loss, check: Callable[[Learner], None]) -> None:
    check(AutoRegressor(budget="tiny", loss=loss))


# Its parts are those of the default budget, only larger: what depends on their number and size.
@pytest.mark.parametrize(
    "check", [check_state_round_trip, check_broken_input_does_no_harm, check_predict_learn_one_is_both]
)
def test_contract_of_the_largest_budget(check: Callable[[Learner], None]) -> None:
    check(AutoRegressor(budget="large"))


@every_check
@pytest.mark.parametrize("learner", [kind for kind in LEARNERS if accepts_levels(kind)])
def test_contract_with_prediction_intervals(learner: Callable[..., Learner], check: Callable[[Learner], None]) -> None:
    check(small(learner, interval_levels=(0.9, 0.5)))


@pytest.mark.parametrize("learner", [kind for kind in LEARNERS if accepts_levels(kind)])
def test_prediction_intervals_change_no_prediction_and_hold_their_share(learner: Callable[..., Any]) -> None:
    model, without = small(learner, interval_levels=(0.9,)), small(learner, interval_levels=())
    rng = np.random.default_rng(5)
    held = 0
    for i in range(600):
        x = {"a": rng.standard_normal(), "b": rng.standard_normal()}
        y = 3.0 * x["a"] + rng.standard_normal()
        low, high = model.predict_interval_one(x, 0.9)
        held += i >= 100 and low <= y <= high
        assert low <= model.predict_one(x) <= high
        assert model.predict_learn_one(x, y) == without.predict_learn_one(x, y)
    assert held / 500 == pytest.approx(0.9, abs=0.04)
    with pytest.raises(ValueError, match=r"must be one of those that are calibrated: 0\.9\. Got 0\.8"):
        model.predict_interval_one({"a": 1.0}, 0.8)
    with pytest.raises(ValueError, match=r"has no prediction intervals: ask for them by interval_levels=\(0.9,\)"):
        without.predict_interval_one({"a": 1.0}, 0.9)


@every_check
@every_learner
def test_contract_where_tables_are_full_and_rows_are_shared(
    learner: Callable[..., Learner], check: Callable[[Learner], None]
) -> None:
    default = small(learner)
    bounds = {name: 3 for name in default.get_params() if name.endswith("_max")}
    check(default.clone(bounds))
    check(default.clone({**bounds, "when_full": "share"}))


@every_optimized_learner
def test_arithmetic_of_each_optimizer(learner: Callable[..., Learner], optimizer: Callable[[], object]) -> None:
    check_arithmetic(small(learner, optimizer=optimizer()))


@pytest.mark.parametrize(("learner", "loss"), PAIRS)
def test_arithmetic_of_each_loss(learner: Callable[..., Learner], loss: Callable[[], object]) -> None:
    check_arithmetic(small(learner, loss=loss()))


@every_gradient_learner
@every_schedule
def test_arithmetic_of_each_schedule(learner: Callable[..., Learner], schedule: Callable[[], Any]) -> None:
    adam = Adam(schedule=schedule(), clip_value=3.0, clip_norm=5.0, average_rate=0.1)
    check_arithmetic(small(learner, optimizer=adam, replay_steps=2, replay_size=5))


def assert_described(model: Learner) -> None:
    again = build(Learner, describe(model), "learner")
    assert again.get_params() == model.get_params()
    assert type(again) is type(model)


@every_optimized_learner
def test_a_description_builds_the_same_learner(learner: Any, optimizer: Any) -> None:
    assert_described(small(learner, optimizer=optimizer()))


@every_gradient_learner
@every_schedule
def test_a_description_builds_the_same_schedule(learner: Any, schedule: Any) -> None:
    assert_described(small(learner, optimizer=Adam(schedule=schedule(), clip_norm=2.0, average_rate=0.01)))


def test_every_export_is_found() -> None:
    assert len(LEARNERS) >= 7
    assert len(GRADIENT_LEARNERS) >= 6
    assert len(OPTIMIZERS) >= 16
    assert len(LOSSES) >= 9
    assert len(SCHEDULES) >= 5
