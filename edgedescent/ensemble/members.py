"""Specifications of the members of an ensemble, and the budgets that choose them."""

from __future__ import annotations

from typing import NamedTuple

LEVEL = 1
"""Number of lags of a network that gets the last label alone."""
ALL_LAGS = 12
"""Number of lags of a network that gets all: ten of the label and two of the key."""


class NetworkSpec(NamedTuple):
    """Specification of a network."""

    hidden: tuple[int, ...]
    """Widths of one or two hidden layers."""
    n_lags: int
    """Number of lags among its inputs, `LEVEL` or `ALL_LAGS`."""
    rate: float
    """Learning rate."""
    replay_steps: int
    """Number of stored events that are learned again after each."""
    on_change: bool
    """True if its target is the change against the last label, False if it is the label."""
    decay: float = 0.0002
    """Weight of the penalty ``decay w² / 2``."""


class LeastSquaresSpec(NamedTuple):
    """Specification of recursive least squares."""

    forgetting: float
    """Forgetting factor."""
    on_change: bool
    """True if its target is the change against the last label, False if it is the label."""


class TreesSpec(NamedTuple):
    """Specification of the boosted trees that correct the mixture."""

    n_trees: int
    """Number of trees that are kept."""
    fit_every: int
    """Number of events after which another one is fitted."""


class Members(NamedTuple):
    """Specification of all members."""

    networks: tuple[NetworkSpec, ...]
    """Networks with replay."""
    squares: tuple[LeastSquaresSpec, ...]
    """Recursive least squares."""
    neighbours: int
    """Number of nearest neighbours; 0 for none."""
    trees: TreesSpec | None
    """Boosted trees that correct the mixture, if any."""
    stacks: tuple[float, ...] = (0.999, 0.9999)
    """Forgetting factors of the stacks."""
    regret_forgetting: float = 0.9995
    """Forgetting factor of the regrets."""
    own_lags: bool = True
    """Whether members get lags of the label."""
    key_lags: bool = True
    """Whether members get lags of the label with the same value of a feature."""
    guard: bool = True
    """Whether outlying labels may be replaced."""


def networks_on_both(
    hidden: tuple[int, ...], n_lags: int, rate: float, replay_steps: int
) -> tuple[NetworkSpec, NetworkSpec]:
    """Return two networks that differ in their target."""
    return (
        NetworkSpec(hidden, n_lags, rate, replay_steps, on_change=True),
        NetworkSpec(hidden, n_lags, rate, replay_steps, on_change=False),
    )


def squares_on_both(*forgettings: float) -> tuple[LeastSquaresSpec, ...]:
    """Return two recursive least squares for each forgetting factor, which differ in their target."""
    return tuple(LeastSquaresSpec(forgetting, on_change) for forgetting in forgettings for on_change in (True, False))


BUDGETS: dict[str, Members] = {
    "tiny": Members(
        networks=(
            NetworkSpec((32, 16), LEVEL, 0.0015, 4, on_change=True),
            NetworkSpec((16, 8), ALL_LAGS, 0.002, 3, on_change=True),
        ),
        squares=squares_on_both(0.999, 0.99),
        neighbours=0,
        trees=TreesSpec(50, fit_every=200),
    ),
    "small": Members(
        networks=(
            NetworkSpec((64, 32), LEVEL, 0.0015, 8, on_change=True),
            *networks_on_both((16, 8), ALL_LAGS, 0.002, 4),
        ),
        squares=squares_on_both(0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(100, fit_every=100),
    ),
    "default": Members(
        networks=(
            *networks_on_both((64, 32), LEVEL, 0.0015, 8),
            *networks_on_both((64, 32), ALL_LAGS, 0.00075, 8),
            *networks_on_both((16, 8), ALL_LAGS, 0.002, 4),
        ),
        squares=squares_on_both(0.9998, 0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(100, fit_every=100),
    ),
    "large": Members(
        networks=(
            *networks_on_both((64, 32), LEVEL, 0.0015, 16),
            *networks_on_both((64, 32), ALL_LAGS, 0.00075, 16),
            *networks_on_both((128, 64), LEVEL, 0.00075, 8),
            *networks_on_both((16, 8), ALL_LAGS, 0.002, 8),
        ),
        squares=squares_on_both(0.9998, 0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(100, fit_every=100),
    ),
}
"""Members by the name of a budget."""
