"""Contract checks for optimizers, one function each; OPTIMIZER_CHECKS at the end lists them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from edgedescent.learners import LinearRegressor
from edgedescent.optim import Optimizer
from edgedescent.optim._parameter_table import ParameterTable
from edgedescent.optim._stepper import run_steps
from edgedescent.testing.learners import check_learner
from edgedescent.testing.support import require, require_names

GRADIENTS = (1.0, -0.5, 0.0, 3.0, 1e-200, -1e3, 0.1, 0.0, 1e100, -1e100, 2.0)


def check_optimizer(optimizer: Optimizer) -> None:
    """Run all of OPTIMIZER_CHECKS on `optimizer`, and all checks of learners on one that uses it.

    Raises:
        AssertionError: If a check fails; the message describes the violation.

    >>> from edgedescent.optim import Adam
    >>> check_optimizer(Adam(lr=0.02))
    """
    for check in OPTIMIZER_CHECKS:
        check(optimizer)
    check_learner(LinearRegressor(optimizer=optimizer))


def check_optimizer_is_an_immutable_value(optimizer: Optimizer) -> None:
    """Check that an optimizer is a frozen dataclass that compares equal by its numeric hyper-parameters."""
    check_is_an_immutable_value(optimizer)


def check_optimizer_parameters_are_validated(optimizer: Optimizer) -> None:
    """Check that NaN, infinities and objects of a wrong type raise a ValueError that names the hyper-parameter."""
    check_fields_are_validated(optimizer)


def check_slots_are_the_arrays_of_the_rule(optimizer: Optimizer) -> None:
    """Check that `state_names` has a unique name for each state array of a table, and that these start at zero."""
    names = optimizer.state_names
    try:
        arrays = ParameterTable(optimizer, 1, 3).save(3)[1:]
    except ValueError as error:
        raise AssertionError(f"{optimizer!r}: {error}") from None
    require(
        optimizer, len(set(names)) == len(names) == len(arrays), f"{names} name the {len(arrays)} arrays of its rule"
    )
    require(optimizer, not any(a.any() for a in arrays), "its arrays do not start at zero")


def check_no_gradient_no_step(optimizer: Optimizer) -> None:
    """Check that a zero gradient does not change a parameter that starts at zero."""
    path, _, _ = run_steps(optimizer, [[0.0] * 3] * 30, [0.0] * 3)
    require(optimizer, not path.any(), "a gradient of zero moves a fresh parameter")


def check_first_step_goes_down(optimizer: Optimizer) -> None:
    """Check that the first step goes against the gradient; a small gradient may leave a parameter at zero."""
    path, _, _ = run_steps(optimizer, [[1e3, -1e3, 1e-3]] * optimizer.batch, [0.0] * 3)
    w = path[-1].tolist()
    require(
        optimizer, w[0] < 0.0 < w[1] and w[2] <= 0.0, f"gradients of 1e3, -1e3 and 1e-3 move parameters from 0 to {w}"
    )


def check_untouched_coordinates_stay(optimizer: Optimizer) -> None:
    """Check that a step does not change parameters, or their averages, without a gradient in that step."""
    rows = [[g, math.nan, -g] if n % 3 else [g, 2.0 * g, math.nan] for n, g in enumerate(GRADIENTS * 3)]
    path, served, _ = run_steps(optimizer, rows, [0.5, 0.0, -1.0])
    for before, after, row in zip(range(len(rows)), range(1, len(rows)), rows[1:], strict=False):
        for i, g in enumerate(row):
            same = path[before, i] == path[after, i] and served[before, i] == served[after, i]
            require(optimizer, same or not math.isnan(g), f"step {after} moves coordinate {i}, which it does not touch")


def check_tables_share_nothing(optimizer: Optimizer) -> None:
    """Check that the optimizer state is not shared between learners."""
    rows = [[g, -g] for g in GRADIENTS]
    one, two = run_steps(optimizer, rows, [0.0] * 2)[0], run_steps(optimizer, rows, [0.0] * 2)[0]
    require(optimizer, one.tobytes() == two.tobytes(), "the same steps from the same start lead elsewhere")


def check_steps_are_finite(optimizer: Optimizer) -> None:
    """Check that all parameters stay finite with gradients up to 1e100, the largest that learners accept."""
    path, served, _ = run_steps(optimizer, [[g, -g, abs(g)] for g in GRADIENTS * 20], [0.0, 1.0, -1e99])
    finite = all(map(math.isfinite, [*path.ravel().tolist(), *served.ravel().tolist()]))
    require(optimizer, finite, "gradients of up to 1e100 leave something that is not finite")


def check_is_an_immutable_value(value: Any) -> None:
    """Check that a value is a frozen dataclass, equal to its copy, whose `hyper` has its own fields in order."""
    kind = type(value)
    frozen_dataclass = dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    require(value, frozen_dataclass, "it is not a frozen dataclass")
    twin = dataclasses.replace(value)
    require(value, twin == value and hash(twin) == hash(value), "it differs from another with the same parameters")
    shared = {"lr", *(field.name for field in dataclasses.fields(Optimizer))}
    own = [getattr(value, field.name) for field in dataclasses.fields(value) if field.name not in shared]
    # Rules written in Python have no `hyper`, and a MiniBatch has the `hyper` of its inner optimizer.
    if value.rule != "python" and all(isinstance(number, int | float) for number in own):
        require(value, list(value.hyper) == own, f"its `hyper` are {value.hyper}, its fields {own}")


def check_fields_are_validated(value: Any) -> None:
    """Check that NaN, infinities, text and objects of a wrong type raise a ValueError that names the field."""
    for field in dataclasses.fields(value):
        for wrong in (math.nan, math.inf, -math.inf, "text", None, object()):
            if field.init and not (wrong is None and field.default is None):
                require_names(value, field.name, partial(dataclasses.replace, value, **{field.name: wrong}))


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
