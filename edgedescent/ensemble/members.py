"""Specifications of the members of an ensemble, and the budgets that choose them."""

from __future__ import annotations

from typing import NamedTuple


class NetworkMember(NamedTuple):
    """Specification of a network."""

    on_change: bool
    """True if its target is the change against the last label, False if it is the label."""
    hidden: tuple[int, ...]
    n_lags: int
    """Number of own lags among its inputs: 0, 1 for the level, or 12 for all."""
    rate: float
    decay: float
    replay_steps: int


class Members(NamedTuple):
    """Specification of all members."""

    networks: tuple[NetworkMember, ...]
    forgettings: tuple[float, ...]
    """Forgetting factors of recursive least squares, one on the change and one on the label for each."""
    neighbours: int
    """Number of nearest neighbours; 0 for none."""
    stacks: tuple[float, ...] = (0.999, 0.9999)
    """Forgetting factors of the stacks."""
    regret_forgetting: float = 0.9995


def _pair(hidden: tuple[int, ...], n_lags: int, rate: float, steps: int) -> tuple[NetworkMember, NetworkMember]:
    """Two networks, one on the change and one on the label."""
    one, other = (NetworkMember(on_change, hidden, n_lags, rate, 0.0002, steps) for on_change in (True, False))
    return one, other


BUDGETS: dict[str, Members] = {
    "tiny": Members(_pair((16, 8), 12, 0.003, 2), (0.9995,), 0),
    "small": Members((*_pair((64, 32), 1, 0.002, 4)[:1], *_pair((16, 8), 12, 0.003, 4)), (0.999, 0.99), 0),
    "default": Members(
        (*_pair((64, 32), 1, 0.002, 8), *_pair((64, 32), 12, 0.001, 8), *_pair((16, 8), 12, 0.003, 4)),
        (0.9998, 0.999, 0.99),
        8,
    ),
    "large": Members(
        (
            *_pair((64, 32), 1, 0.002, 16),
            *_pair((64, 32), 12, 0.001, 16),
            *_pair((128, 64), 1, 0.001, 8),
            *_pair((16, 8), 12, 0.003, 8),
        ),
        (0.9998, 0.999, 0.99),
        8,
    ),
}
"""Members by the name of a budget."""
