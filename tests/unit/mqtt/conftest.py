"""Fixtures of the adapter's tests: a broker that says exactly what the test wants, and adapters that connect to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_broker import FakeBroker, MakeAdapter, adapters_for


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as made:
        yield made


@pytest.fixture
def make(broker: FakeBroker) -> Iterator[MakeAdapter]:
    with adapters_for(broker) as make_adapter:
        yield make_adapter
