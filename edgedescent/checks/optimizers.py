"""What every optimizer must hold. One function a promise, one line in the list at the end."""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from edgedescent.checks.learners import check_learner
from edgedescent.checks.support import require, require_names
from edgedescent.kernels.parameters import ParameterTable
from edgedescent.learners import LinearRegressor
from edgedescent.optim import Optimizer

GRADIENTS = (1.0, -0.5, 0.0, 3.0, 1e-200, -1e3, 0.1, 0.0, 1e100, -1e100, 2.0)


def check_optimizer(optimizer: Optimizer) -> None:
    """Run all of OPTIMIZER_CHECKS on `optimizer`, and all checks of learners on one that uses it.

    Raises:
        AssertionError: if it breaks a promise; says which, and how.

    >>> from edgedescent.optim import Adam
    >>> check_optimizer(Adam(lr=0.02))
    """
    for check in OPTIMIZER_CHECKS:
        check(optimizer)
    check_learner(LinearRegressor(optimizer=optimizer))


def check_optimizer_is_an_immutable_value(optimizer: Optimizer) -> None:
    """It is a frozen dataclass, equal to another with the same hyper-parameters, and every one of them is a number."""
    check_is_an_immutable_value(optimizer)


def check_optimizer_parameters_are_validated(optimizer: Optimizer) -> None:
    """NaN, an infinity, or an object of no use is refused for each hyper-parameter with a ValueError that names it."""
    check_fields_are_validated(optimizer)


def check_slots_are_the_arrays_of_the_rule(optimizer: Optimizer) -> None:
    """`slots` names as many arrays as the compiled rule keeps, each once, and all start at zero."""
    arrays = _table(optimizer).arrays[1:]
    names = optimizer.slots
    require(
        optimizer, len(set(names)) == len(names) == len(arrays), f"{names} name the {len(arrays)} arrays of its rule"
    )
    require(optimizer, not any(a.any() for a in arrays), "its arrays do not start at zero")


def check_no_gradient_no_step(optimizer: Optimizer) -> None:
    """A parameter that never had a gradient stays where it is."""
    table = _table(optimizer)
    _step(table, [0.0] * 3)
    require(optimizer, not table.arrays[0].any(), "a gradient of zero moves a fresh parameter")


def check_first_step_goes_down(optimizer: Optimizer) -> None:
    """The first step goes against the gradient; a small gradient may leave a parameter at zero."""
    table = _table(optimizer)
    _step(table, [1e3, -1e3, 1e-3])
    w = table.arrays[0].ravel().tolist()
    require(
        optimizer, w[0] < 0.0 < w[1] and w[2] <= 0.0, f"gradients of 1e3, -1e3 and 1e-3 move parameters from 0 to {w}"
    )


def check_untouched_coordinates_stay(optimizer: Optimizer) -> None:
    """Each coordinate has a state of its own: stepping others, alone or together, changes not a bit of it."""
    together, apart = _table(optimizer), _table(optimizer)
    for g in GRADIENTS:
        _step(together, [g, 2.0 * g, -g])
    for row, factor in ((2, -1.0), (0, 1.0), (1, 2.0)):
        for g in GRADIENTS:
            _step(apart, [factor * g], row=row)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(together.arrays, apart.arrays, strict=True))
    require(optimizer, same, "coordinates stepped one at a time differ from coordinates stepped together")


def check_tables_share_nothing(optimizer: Optimizer) -> None:
    """Two tables that use one optimizer have each a state of their own."""
    one, two = _table(optimizer), _table(optimizer)
    _step(one, [1.0] * 3)
    require(optimizer, not any(a.any() for a in two.arrays), "a step in one table changes another")


def check_steps_are_finite(optimizer: Optimizer) -> None:
    """Gradients up to 1e100, the largest that learners let through, leave everything finite."""
    table = _table(optimizer)
    for g in GRADIENTS * 20:
        _step(table, [g, -g, abs(g)])
    finite = all(math.isfinite(v) for a in table.arrays for v in a.ravel().tolist())
    require(optimizer, finite, "gradients of up to 1e100 leave something that is not finite")


def check_is_an_immutable_value(value: Any) -> None:
    """A frozen dataclass, equal to its copy, whose `hyper` are its fields as floats, in order."""
    kind = type(value)
    frozen_dataclass = dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    require(value, frozen_dataclass, "it is not a frozen dataclass")
    twin = dataclasses.replace(value)
    require(value, twin == value and hash(twin) == hash(value), "it differs from another with the same parameters")
    fields = [float(getattr(value, field.name)) for field in dataclasses.fields(value)]
    require(value, list(value.hyper) == fields, f"its `hyper` are {value.hyper}, its fields {fields}")


def check_fields_are_validated(value: Any) -> None:
    """NaN, an infinity, text, or an object of no use is refused for each field with a ValueError that names it."""
    for field in dataclasses.fields(value):
        for wrong in (math.nan, math.inf, -math.inf, "text", None, object()):
            require_names(value, field.name, partial(dataclasses.replace, value, **{field.name: wrong}))


def _table(optimizer: Optimizer) -> ParameterTable:
    return ParameterTable(optimizer.rule, optimizer.hyper, 1, 3)


def _step(table: ParameterTable, gradient: Sequence[float], row: int = 0) -> None:
    table.apply(array("d", gradient), row)


OPTIMIZER_CHECKS: tuple[Callable[[Optimizer], None], ...] = (
    check_optimizer_is_an_immutable_value,
    check_optimizer_parameters_are_validated,
    check_slots_are_the_arrays_of_the_rule,
    check_no_gradient_no_step,
    check_first_step_goes_down,
    check_untouched_coordinates_stay,
    check_tables_share_nothing,
    check_steps_are_finite,
)
