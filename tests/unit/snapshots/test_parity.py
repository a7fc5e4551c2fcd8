from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.snapshots.parity import Parity, compare, recent_events
from edgedescent.state.store import Store
from support.state_folder import Run, a_config


def test_the_largest_differences_are_measured() -> None:
    parity = compare([1.0, 2.0, -4.0], [1.0, 2.5, -5.0], 0.25)
    assert parity == Parity(3, 1.0, 0.25, 0.25)
    assert parity.holds
    assert not compare([1.0, 2.0, -4.0], [1.0, 2.5, -5.01], 0.25).holds
    assert compare([0.0], [0.0], 1e-5).holds
    assert not compare([0.0], [1e-9], 1e-5).holds


@pytest.mark.parametrize("tolerance", [1e-5, 0.5, math.inf])
@pytest.mark.parametrize(
    ("live", "exported"),
    [
        (math.nan, 1.0),
        (1.0, math.nan),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (1.0, math.inf),
        (-math.inf, math.inf),
        (1e308, -1e308),
    ],
)
def test_what_is_not_finite_never_agrees(live: float, exported: float, tolerance: float) -> None:
    for at in range(3):
        a, b = [1.0] * 3, [1.0] * 3
        a[at], b[at] = live, exported
        assert not compare(a, b, tolerance).holds


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(1e-9, 0.9))
def test_what_is_the_same_agrees(values: list[float], tolerance: float) -> None:
    assert compare(values, values, tolerance) == Parity(len(values), 0.0, 0.0, tolerance)


def test_two_lengths_do_not_compare() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare([1.0, 2.0], [1.0], 1e-5)


# --- The events to check on -------------------------------------------------------------------------------------------


def recent(run: Run, count: int) -> list[Any]:
    reader = Store(run.config.state.path, read_only=True)
    events = recent_events(reader, run.engine, count)
    reader.close()
    return [event["id"] for event in events]


def test_the_newest_events_are_taken_in_order(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    for first in range(0, 30, 10):
        run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(first, first + 10)])
    assert recent(run, 3) == [27, 28, 29]
    assert recent(run, 12) == list(range(18, 30))
    assert recent(run, 1000) == list(range(30))
    run.store.close()


def test_they_are_looked_for_behind_what_was_refused(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(5)])
    for _ in range(20):
        run.take([b"no event"] * 10)
    run.take([b'[{"id": 5, "x": {}}, {"id": 6, "x": {}}, 7]'])
    run.take([b"[]"] * 10)
    assert recent(run, 2) == [5, 6]
    assert recent(run, 4) == [3, 4, 5, 6]
    assert recent(run, 100) == [0, 1, 2, 3, 4, 5, 6]
    run.store.close()


def test_they_end_where_the_journal_was_trimmed(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path), journal_bytes_max=1)
    for first in range(0, 50, 10):
        run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(first, first + 10)])
        run.checkpoint()
    assert recent(run, 1000) == list(range(40, 50))
    run.store.close()
