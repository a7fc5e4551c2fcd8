"""Specifications of the members of an ensemble, and the budgets that choose them."""

from __future__ import annotations

from typing import NamedTuple

LEVEL = 1
"""Number of lags of a network that gets the last label alone."""
ALL_LAGS = 12
"""Number of lags of a network that gets all: ten of the label and two of the key."""


SHORT = 500
"""Number of events among which a network replays that is to follow the stream quickly."""


class NetworkSpec(NamedTuple):
    """Specification of a network."""

    hidden: tuple[int, ...]
    """Widths of one or two hidden layers."""
    n_lags: int
    """Number of lags among its inputs, `LEVEL` or `ALL_LAGS`."""
    replay_steps: int
    """Number of stored events that are learned again after each."""
    on_change: bool
    """True if its target is the change against the last label, False if it is the label."""
    takes_values: bool
    """True if the values of features that have few whole numbers, such as hours, are inputs of their own."""
    replay_size: int = 1_000_000
    """Number of latest events that are replayed, if so many are stored."""
    rate: float = 0.004
    """Learning rate."""
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


class EvolutionSpec(NamedTuple):
    """Specification of the evolution of the networks, which have the same widths where there is one."""

    generation_events: int
    """Number of events of a generation, after which the worst network is replaced."""
    first_events: int
    """Number of events of the first generation."""
    spread: float = 0.3
    """Standard deviation of the logarithm of a mutation of the learning rate."""


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
    evolution: EvolutionSpec | None = None
    """Evolution of the networks, if any."""


def networks_of_all_kinds(hidden: tuple[int, ...], replay_steps: int) -> tuple[NetworkSpec, ...]:
    """Return eight networks, which differ in their lags, in their target and in how far back they replay.

    Half of them take repeated values: in each of the three respects, half of those that are equal do.
    """
    return tuple(
        NetworkSpec(
            hidden, n_lags, replay_steps, on_change, (n_lags == LEVEL) ^ on_change ^ (replay_size == SHORT), replay_size
        )
        for n_lags in (LEVEL, ALL_LAGS)
        for on_change in (True, False)
        for replay_size in (1_000_000, SHORT)
    )


def squares_on_both(*forgettings: float) -> tuple[LeastSquaresSpec, ...]:
    """Return two recursive least squares for each forgetting factor, which differ in their target."""
    return tuple(LeastSquaresSpec(forgetting, on_change) for forgetting in forgettings for on_change in (True, False))


EVOLUTION = EvolutionSpec(generation_events=1000, first_events=10_000)
"""Evolution of the budget whose networks come in pairs; on shorter streams it earns nothing."""

BUDGETS: dict[str, Members] = {
    "tiny": Members(
        networks=(
            NetworkSpec((32, 16), LEVEL, 15, on_change=True, takes_values=True),
            NetworkSpec((16, 8), ALL_LAGS, 7, on_change=False, takes_values=False, replay_size=SHORT, rate=0.006),
        ),
        squares=squares_on_both(0.999, 0.99),
        neighbours=0,
        trees=TreesSpec(50, fit_every=200),
    ),
    "small": Members(
        networks=(
            NetworkSpec((32, 16), LEVEL, 23, on_change=True, takes_values=True),
            NetworkSpec((32, 16), LEVEL, 23, on_change=False, takes_values=True, replay_size=SHORT),
        ),
        squares=squares_on_both(0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(200, fit_every=50),
    ),
    "default": Members(
        networks=(
            NetworkSpec((32, 16), LEVEL, 31, on_change=True, takes_values=True),
            NetworkSpec((32, 16), LEVEL, 23, on_change=False, takes_values=True, replay_size=SHORT),
            NetworkSpec((32, 16), ALL_LAGS, 31, on_change=True, takes_values=False),
        ),
        squares=squares_on_both(0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(200, fit_every=50),
    ),
    "large": Members(
        networks=networks_of_all_kinds((32, 16), 31),
        squares=squares_on_both(0.9998, 0.999, 0.99),
        neighbours=8,
        trees=TreesSpec(200, fit_every=50),
        evolution=EVOLUTION,
    ),
}
"""Members by the name of a budget."""
