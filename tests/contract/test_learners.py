"""The shared contract, on every learner with every optimizer and every loss that the project exports."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from exports import LEARNERS, LOSSES, OPTIMIZERS

from edgedescent.checks import LEARNER_CHECKS
from edgedescent.learners import Learner

COMBINATIONS = [
    pytest.param(learner, optimizer, loss, id=f"{learner.__name__}-{optimizer.__name__}-{loss.__name__}")
    for learner, optimizer, loss in product(LEARNERS, OPTIMIZERS, LOSSES)
]


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("learner", "optimizer", "loss"), COMBINATIONS)
def test_contract(
    learner: Callable[..., Learner],
    optimizer: Callable[[], object],
    loss: Callable[[], object],
    check: Callable[[Learner], None],
) -> None:
    check(learner(optimizer=optimizer(), loss=loss()))


@pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("learner", LEARNERS)
def test_contract_where_tables_are_full_and_rows_are_shared(
    learner: Callable[..., Learner], check: Callable[[Learner], None]
) -> None:
    default = learner()
    bounds = {name: 3 for name in default.get_params() if name.endswith("_max")}
    check(default.clone(bounds))
    check(default.clone({**bounds, "when_full": "share"}))


def test_every_export_is_found() -> None:
    assert {"LinearRegressor", "MatrixFactorization"} <= {learner.__name__ for learner in LEARNERS}
    assert {"SGD", "Adam"} <= {optimizer.__name__ for optimizer in OPTIMIZERS}
    assert {"SquaredLoss", "AdaptiveHuberLoss"} <= {loss.__name__ for loss in LOSSES}
