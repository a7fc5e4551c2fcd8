"""The shared contract, on every built-in payload format."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgedescent.formats import FORMATS, Format
from edgedescent.testing import FORMAT_CHECKS


@pytest.mark.parametrize("check", FORMAT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FORMATS.built_in)
def test_contract(name: str, check: Callable[[type[Format]], None]) -> None:
    check(FORMATS[name])
