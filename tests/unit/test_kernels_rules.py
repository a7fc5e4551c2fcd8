"""The rules of the optimizers, on tables of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import COORDINATES
from streams import optimizers

from edgedescent.kernels.parameters import ParameterTable
from edgedescent.optim import SGD, Adam, Optimizer

gradient_values = st.one_of(st.floats(-100, 100), st.sampled_from([0.0, 1e-200, 1e100, -1e100]))


def table_for(optimizer: Optimizer, width: int = 1, rows: int = 4) -> ParameterTable:
    return ParameterTable(optimizer.rule, optimizer.hyper, width, rows)


@given(optimizers, st.lists(gradient_values, max_size=60))
def test_a_coordinate_follows_the_paper(optimizer: Optimizer, gradients: list[float]) -> None:
    table, specified = table_for(optimizer), COORDINATES[optimizer.rule](*optimizer.hyper)
    for g in gradients:
        table.apply(np.array([g]), row=2)
        specified.step(g)
        assert table.arrays[0][2, 0] == pytest.approx(specified.w, rel=1e-9, abs=1e-13)
    assert (table.arrays[0][[0, 1, 3]] == 0).all()


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    # Section 2.1 of the paper: with the bias corrected, the first step does not depend on the gradient's size.
    for g in (1e-3, 1.0, 1e3):
        table = table_for(Adam(lr=0.1))
        table.apply(np.array([g]))
        assert table.arrays[0][0, 0] == pytest.approx(-0.1, rel=1e-4)


@given(optimizers, st.lists(st.lists(gradient_values, min_size=6, max_size=6), max_size=20))
def test_coordinates_are_alike_alone_and_in_runs(optimizer: Optimizer, gradients: list[list[float]]) -> None:
    dense, sparse = table_for(optimizer, width=2, rows=3), table_for(optimizer, width=2, rows=3)
    for g in gradients:
        dense.apply(np.array(g))
        for row in range(3):
            sparse.apply(np.array(g[2 * row : 2 * row + 2]), row=row)
    for a, b in zip(dense.arrays, sparse.arrays, strict=True):
        assert a.tobytes() == b.tobytes()


@given(optimizers, st.lists(st.tuples(st.integers(0, 3), gradient_values), max_size=60))
def test_a_coordinate_that_is_not_touched_neither_moves_nor_decays(
    optimizer: Optimizer, steps: list[tuple[int, float]]
) -> None:
    sparse = table_for(optimizer)
    alone = [table_for(optimizer, rows=1) for _ in range(4)]
    for row, g in steps:
        sparse.apply(np.array([g]), row=row)
        alone[row].apply(np.array([g]))
    for row in range(4):
        for a, b in zip(sparse.arrays, alone[row].arrays, strict=True):
            assert a[row].tobytes() == b[0].tobytes()


def test_tables_given_the_same_optimizer_share_no_state() -> None:
    optimizer = Adam()
    a, b = table_for(optimizer), table_for(optimizer)
    a.apply(np.array([1.0]))
    assert all((array == 0).all() for array in b.arrays)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_goes_on_from_a_saved_state(optimizer: Optimizer) -> None:
    table, copy = table_for(optimizer, width=3), table_for(optimizer, width=3, rows=1)
    table.apply(np.arange(12.0))
    copy.restore(table.save(4))
    table.apply(np.ones(12))
    copy.apply(np.ones(12))
    for a, b in zip(table.save(4), copy.save(4), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("n", "row"), [(0, 0), (2, 0), (3, -1), (15, 0), (3, 4)])
def test_a_gradient_that_does_not_fit_is_refused(n: int, row: int) -> None:
    table = table_for(SGD(), width=3)
    with pytest.raises(ValueError, match="does not fit rows of 3"):
        table.apply(np.zeros(n), row=row)


def test_a_state_of_another_shape_is_refused() -> None:
    table = table_for(Adam(), width=3)
    w = np.zeros((2, 3))
    for arrays in ([w], [w] * 4 + [np.zeros((1, 3))], [np.zeros((2, 4))] * 5, [np.zeros(3)] * 5):
        with pytest.raises(ValueError, match="A table of width 3 has 5 arrays"):
            table.restore(arrays)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sgdd", (0.1,), 1, 1), "no compiled rule named 'sgdd'"),
        (("sgd", (0.1,) * 9, 1, 1), "at most 8 hyper-parameters"),
        (("sgd", (0.1,), 0, 1), "at least 1 row"),
        (("sgd", (0.1,), 1, 0), "at least 1 row"),
    ],
)
def test_a_table_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParameterTable(*arguments)
