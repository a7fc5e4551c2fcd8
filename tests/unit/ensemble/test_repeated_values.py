"""Values that come again as inputs: which features take part, which places they get, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.ensemble._repeated_values import RepeatedValues

HOUR, OTHER = 1, 2
PLACES, DIFFERENT_MIN, DIFFERENT_MAX, RETURNS_MIN, LARGEST = 128, 3, 31, 2, 1e6


def learned(values: Sequence[float], row: int = HOUR) -> RepeatedValues:
    table = RepeatedValues()
    for value in values:
        table.learn_one([row], [value])
    return table


class Twin:
    """The same, with dicts."""

    def __init__(self) -> None:
        self.places: list[tuple[int, float] | None] = []
        self.returns: dict[int, int] = {}
        self.last: dict[int, float] = {}
        self.takes_part: set[int] = set()
        self.left_out: set[int] = set()

    def learn_one(self, rows: Sequence[int], x: Sequence[float]) -> None:
        for row, value in zip(rows, x, strict=True):
            if row not in self.left_out and not self.takes(row, value):
                self.left_out.add(row)
                self.takes_part.discard(row)
                self.places = [None if place and place[0] == row else place for place in self.places]

    def takes(self, row: int, value: float) -> bool:
        """Take in a value; False if its feature is to be left out."""
        own = [place for place in self.places if place and place[0] == row]
        if value != int(value) or abs(value) > LARGEST:
            return False
        if (row, value) in own:
            self.returns[row] = self.returns.get(row, 0) + (self.last[row] != value)
        elif len(own) == DIFFERENT_MAX:
            return False
        elif None in self.places:
            self.places[self.places.index(None)] = (row, value)
        elif len(self.places) < PLACES:
            self.places.append((row, value))
        else:
            return False
        self.last[row] = value
        n_own = sum(place is not None and place[0] == row for place in self.places)
        if n_own >= DIFFERENT_MIN and self.returns.get(row, 0) >= RETURNS_MIN * n_own:
            self.takes_part.add(row)
        return True

    def inputs(self, rows: Sequence[int], x: Sequence[float]) -> list[int]:
        return [
            -1 - self.places.index((row, value))
            for row, value in zip(rows, x, strict=True)
            if row in self.takes_part and (row, value) in self.places
        ]


def test_a_feature_takes_part_once_its_values_have_come_again_twice() -> None:
    table, slots = RepeatedValues(), []
    for hour in range(24 * 4):
        slots.append(table.inputs([HOUR], [hour % 24]))
        table.learn_one([HOUR], [hour % 24])
    # On the first day they are new, on the next two they come again.
    assert slots[: 24 * 3] == [[]] * 24 * 3
    assert slots[24 * 3 :] == [[-1 - hour] for hour in range(24)]


def test_a_value_that_stays_has_not_come_again() -> None:
    months = [month for month in range(3) for _ in range(500)]
    assert learned(months).inputs([HOUR], [1]) == []
    assert learned(months * 3).inputs([HOUR], [1]) == [-2]


@pytest.mark.parametrize(
    "values", [[0, 1] * 100, [*[1, 2, 3] * 20, 0.5], [*[1, 2, 3] * 20, 1e6 + 1], [*range(32)] * 20]
)
def test_other_features_are_no_inputs(values: list[float]) -> None:
    table = learned(values)
    assert table.inputs([HOUR], [1]) == []


def test_whoever_is_left_out_stays_out_and_its_places_are_free_for_others() -> None:
    table = learned([*[1, 2, 3] * 20, 0.5, *[1, 2, 3] * 20])
    assert table.inputs([HOUR], [1]) == []
    for value in [7, 8, 9] * 5:
        table.learn_one([OTHER], [value])
    assert table.inputs([HOUR, OTHER], [1, 9]) == [-3]
    assert table.n_slots == 3


def test_an_unknown_value_of_a_feature_that_takes_part_is_no_input() -> None:
    assert learned([1, 2, 3] * 20).inputs([HOUR], [4]) == []


def test_places_are_bounded() -> None:
    table, twin = RepeatedValues(), Twin()
    rows = list(range(1, 8))
    for i in range(400):
        x = [float(i % 20)] * 7
        table.learn_one(rows, x)
        twin.learn_one(rows, x)
    assert table.n_slots == PLACES
    assert table.inputs(rows, [3.0] * 7) == twin.inputs(rows, [3.0] * 7)
    assert len(table.inputs(rows, [3.0] * 7)) == 6


EVENTS = st.lists(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0.0, 1.0, 2.0, 3.0, -4.0, 0.5])),
        max_size=4,
        unique_by=lambda p: p[0],
    ),
    max_size=60,
)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_it_is_its_twin_and_its_restored_self(events: list[list[tuple[int, float]]]) -> None:
    table, twin = RepeatedValues(), Twin()
    table.learn_one([4], [0.0])
    twin.learn_one([4], [0.0])
    for event in [*events, *events]:
        if not event:
            continue
        rows, x = [row for row, _ in event], [value for _, value in event]
        assert table.inputs(rows, x) == twin.inputs(rows, x)
        table.learn_one(rows, x)
        twin.learn_one(rows, x)
        restored = RepeatedValues()
        restored.restore(table.save(5), 5)
        assert restored.inputs(rows, x) == table.inputs(rows, x)
        for name, value in table.save(5).items():
            assert np.array_equal(restored.save(5)[name], value), name


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("rows", 0, 3),
        ("rows", 0, -1),
        ("returns", 1, -1),
        ("last", 1, 9),
        ("last", 1, -1),
        ("parts", 1, 3),
        ("parts", 1, 2),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, at: int, value: int) -> None:
    state: dict[str, Any] = learned([1, 2, 3] * 20).save(2)
    state[f"values.{name}"][at] = value
    with pytest.raises(ValueError, match="values of features are out of range"):
        RepeatedValues().restore(state, 2)


@pytest.mark.parametrize("name", ["rows", "values", "returns", "last", "parts"])
def test_a_state_of_another_length_is_refused(name: str) -> None:
    state: dict[str, Any] = learned([1, 2, 3] * 20).save(2)
    state[f"values.{name}"] = state[f"values.{name}"][:-1]
    with pytest.raises(ValueError, match="must be of 128 places at most and 2 rows"):
        RepeatedValues().restore(state, 2)
