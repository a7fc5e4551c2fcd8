"""Search spaces: the notation, what is refused, and which tables come of it."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.config.building import build
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent_sims.sweep.space import Choices, Range, SearchSpace, canonical, flattened


def space(text: str) -> SearchSpace:
    return SearchSpace.of(tomllib.loads(text), "learner")


def test_choices_and_ranges_are_read() -> None:
    found = space(
        """
        type = "MLPRegressor"
        l2 = 0.5
        [search]
        optimizer = ["Adam", { type = "SGD", lr = 0.1 }]
        hidden = { choices = [[16], [64, 32]] }
        "optimizer.lr" = { low = 1e-4, high = 1, log = true }
        replay_steps = { low = 0, high = 16 }
        """
    )
    assert found.table == {"type": "MLPRegressor", "l2": 0.5}
    assert found.dimensions == {
        "optimizer": Choices(("Adam", {"type": "SGD", "lr": 0.1})),
        "hidden": Choices(([16], [64, 32])),
        "replay_steps": Range(0, 16, is_integer=True),
        "optimizer.lr": Range(1e-4, 1.0, is_log=True),
    }
    assert found.with_values({"optimizer": "Adam", "optimizer.lr": 0.5, "hidden": [16]}) == {
        "type": "MLPRegressor",
        "l2": 0.5,
        "optimizer": {"type": "Adam", "lr": 0.5},
        "hidden": [16],
    }


def test_a_path_needs_no_quotes() -> None:
    quoted = space('type = "MLPRegressor"\n[search]\n"optimizer.lr" = { low = 0.1, high = 1.0 }')
    nested = space('type = "MLPRegressor"\n[search]\noptimizer.lr = { low = 0.1, high = 1.0 }')
    assert quoted == nested


def test_what_is_not_stated_of_an_optimizer_is_that_of_the_learners_default() -> None:
    found = space('type = "MLPRegressor"\n[search]\noptimizer.lr = [0.1]')
    assert found.with_values({"optimizer.lr": 0.1})["optimizer"] == {"type": "Adam", "lr": 0.1, "average_rate": 0.06}
    assert found.default() == {"type": "MLPRegressor"}


def test_a_table_of_the_search_is_not_changed_by_what_is_built_of_it() -> None:
    found = space(
        'type = "MLPRegressor"\n[search]\noptimizer = [{ type = "SGD", lr = 0.1 }]\noptimizer.lr = [0.5]'.replace(
            "optimizer.lr", '"optimizer.lr"'
        )
    )
    table = found.with_values({"optimizer": found.dimensions["optimizer"].ends[0], "optimizer.lr": 0.5})
    assert table["optimizer"] == {"type": "SGD", "lr": 0.5}
    assert found.dimensions["optimizer"] == Choices(({"type": "SGD", "lr": 0.1},))


def test_a_grid_is_every_combination() -> None:
    found = space(
        """
        type = "LinearRegressor"
        optimizer = "Adam"
        [search]
        l2 = [0.0, 0.1]
        optimizer.lr = { low = 0.01, high = 1, log = true, steps = 3 }
        """
    )
    assert list(found.grid()) == [{"l2": l2, "optimizer.lr": lr} for l2 in (0.0, 0.1) for lr in (0.01, 0.1, 1.0)]
    assert found.grid_size() == 6


@pytest.mark.parametrize(
    ("search", "message", "hint"),
    [
        ("optimzer = ['Adam']", "`learner.optimzer` is not a known key", "Did you mean `optimizer`?"),
        ("optimizer.lrr = [0.1]", "`learner.optimizer.lrr` is not a known key", "Did you mean `lr`?"),
        ("optimizer = ['Adm']", "`learner.optimizer.type` is 'Adm'", "Did you mean `Adam`?"),
        ("l2 = [-1.0]", "must be >= 0. Got -1.0", ""),
        ("l2 = { low = -1.0, high = 1.0 }", "must be >= 0. Got -1.0", ""),
        ("l2 = { low = 1.0, high = 0.5 }", "from 1 to 0.5: expected `low` < `high`", ""),
        ("l2 = { low = 0.0, high = 0.5, log = true }", "must begin above 0", ""),
        ("l2 = { low = 0.0, hihg = 0.5 }", "`learner.search.l2.hihg` is not a known key", "Did you mean `high`?"),
        ("l2 = { low = 0.0, high = 0.5, steps = 1 }", "expected at least 2", ""),
        ("l2 = []", "is empty", ""),
        ("l2 = 0.5", "expected a list of choices, or a range", "outside of `search`"),
        ("loss = { low = 1, high = 2 }", "no number is expected there", "List its choices"),
        ("replay_steps = { low = 1, high = 2.5 }", "`learner.search.replay_steps.high` is 2.5", ""),
        ("l2.rate = [1]", "`l2` has no parameters of its own", ""),
        ("optimizer = ['Adam', 'COCOB']\n'optimizer.lr' = [0.1]", "learner.optimizer", ""),
    ],
)
def test_a_mistake_is_named_before_anything_runs(search: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(f'type = "MLPRegressor"\n[search]\n{search}'.replace("'", '"'))
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_grid_needs_the_steps_of_a_range() -> None:
    found = space('type = "LinearRegressor"\n[search]\nl2 = { low = 0.0, high = 0.5 }')
    with pytest.raises(ConfigError, match=r"`l2` has no `steps`"):
        list(found.grid())


@given(
    low=st.floats(1e-6, 10),
    width=st.floats(1e-3, 1e3),
    seed=st.integers(0, 1000),
    is_log=st.booleans(),
)
def test_what_is_drawn_from_a_range_lies_in_it(low: float, width: float, seed: int, is_log: bool) -> None:
    found = Range(low, low + width, is_log=is_log)
    drawn = [found.draw(np.random.default_rng(seed)) for _ in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]
    assert low <= drawn[0] <= low + width
    whole = Range(1, 1 + int(width), is_log=is_log, is_integer=True)
    number = whole.draw(np.random.default_rng(seed))
    assert isinstance(number, int)
    assert 1 <= number <= 1 + int(width)


def test_every_whole_number_of_a_range_is_drawn_with_its_share() -> None:
    rng = np.random.default_rng(1)
    found = Range(1, 4, is_log=True, is_integer=True)
    counts = np.bincount([found.draw(rng) for _ in range(4000)], minlength=5)[1:]
    expected = np.diff(np.log([0.5, 1.5, 2.5, 3.5, 4.5])) / np.log(9) * 4000
    assert np.abs(counts - expected).max() < 120


@pytest.mark.parametrize(
    "table",
    [
        {"type": "LinearRegressor"},
        {"type": "LinearRegressor", "l2": 0.0},
        {"type": "LinearRegressor", "l2": 0},
    ],
)
def test_equal_learners_have_the_same_canonical_table(table: dict[str, Any]) -> None:
    assert canonical(table) == {"type": "LinearRegressor"}


def test_a_canonical_table_builds_the_same_learner() -> None:
    table = {"type": "MLPRegressor", "hidden": [8], "optimizer": {"type": "SGD", "lr": 0.1}, "loss": "HuberLoss"}
    learner = build(Learner, table, "learner")
    again = build(Learner, canonical(table), "learner")
    assert repr(again) == repr(learner)
    assert flattened(canonical(table))["optimizer.lr"] == 0.1
