"""The shared contract, on every learner with every optimizer and every loss that the project exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgedescent.config import build, describe
from edgedescent.learners import Learner
from edgedescent.optim import Adam, MiniBatch
from edgedescent.testing import LEARNER_CHECKS
from edgedescent.testing.learners import (
    check_broken_input_does_no_harm,
    check_is_deterministic,
    check_predicting_leaves_the_state,
    check_state_round_trip,
)
from support.exported import LEARNERS, LOSSES, OPTIMIZERS, SCHEDULES, small, takes

every_check = pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
every_learner = pytest.mark.parametrize("learner", LEARNERS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)

PAIRS = [(learner, loss) for learner in LEARNERS for loss in LOSSES if takes(learner, loss())]

# What the arithmetic of a rule or a loss could break; the rest does not depend on it.
ARITHMETIC_CHECKS = (
    check_broken_input_does_no_harm,
    check_is_deterministic,
    check_predicting_leaves_the_state,
    check_state_round_trip,
)


@every_check
@every_learner
def test_contract_of_the_defaults(learner: Callable[..., Learner], check: Callable[[Learner], None]) -> None:
    check(learner())


@every_check
@every_learner
@every_optimizer
def test_contract_of_each_optimizer(
    learner: Callable[..., Learner], optimizer: Callable[[], object], check: Callable[[Learner], None]
) -> None:
    check(small(learner, optimizer=optimizer()))


@every_check
@pytest.mark.parametrize(("learner", "loss"), PAIRS)
def test_contract_of_each_loss(
    learner: Callable[..., Learner], loss: Callable[[], object], check: Callable[[Learner], None]
) -> None:
    check(small(learner, loss=loss()))


@every_optimizer
@pytest.mark.parametrize(("learner", "loss"), PAIRS)
def test_contract_of_every_combination(
    learner: Callable[..., Learner], loss: Callable[[], object], optimizer: Callable[[], object]
) -> None:
    for check in ARITHMETIC_CHECKS:
        check(small(learner, loss=loss(), optimizer=optimizer()))


@every_check
@every_learner
def test_contract_where_tables_are_full_and_rows_are_shared(
    learner: Callable[..., Learner], check: Callable[[Learner], None]
) -> None:
    default = small(learner)
    bounds = {name: 3 for name in default.get_params() if name.endswith("_max")}
    check(default.clone(bounds))
    check(default.clone({**bounds, "when_full": "share"}))


@every_check
@every_learner
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_contract_with_replay_averages_clipping_and_schedules(
    learner: Callable[..., Learner], schedule: Callable[[], Any], check: Callable[[Learner], None]
) -> None:
    adam = Adam(schedule=schedule(), clip_value=3.0, clip_norm=5.0, average_rate=0.1)
    check(small(learner, optimizer=adam, replay_steps=2, replay_size=5))
    check(small(learner, optimizer=MiniBatch(adam, size=3), replay_steps=1, replay_size=5))


@every_learner
@every_optimizer
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_description_builds_the_same_learner(learner: Any, optimizer: Any, schedule: Any) -> None:
    chosen = optimizer()
    if not isinstance(chosen, MiniBatch):
        chosen = optimizer(schedule=schedule(), clip_norm=2.0, average_rate=0.01)
    model = small(learner, optimizer=chosen)
    again = build(Learner, describe(model), "learner")
    assert again.get_params() == model.get_params()
    assert type(again) is learner


def test_every_export_is_found() -> None:
    assert len(LEARNERS) >= 6
    assert len(OPTIMIZERS) >= 16
    assert len(LOSSES) >= 9
    assert len(SCHEDULES) >= 5
