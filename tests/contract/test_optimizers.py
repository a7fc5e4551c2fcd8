"""The shared contract, on every optimizer that the project exports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgedescent.optim import Optimizer
from edgedescent.testing import OPTIMIZER_CHECKS
from support.exported import OPTIMIZERS


@pytest.mark.parametrize("check", OPTIMIZER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_contract(optimizer: Callable[[], Optimizer], check: Callable[[Optimizer], None]) -> None:
    check(optimizer())
