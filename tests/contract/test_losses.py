"""The shared contract, on every loss that the project exports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgedescent.losses import Loss
from edgedescent.testing import LOSS_CHECKS
from support.exported import LOSSES


@pytest.mark.parametrize("check", LOSS_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("loss", LOSSES)
def test_contract(loss: Callable[[], Loss], check: Callable[[Loss], None]) -> None:
    check(loss())
