"""Bursts of a stated share and mean length: the two-state Markov chain of Gilbert."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Episodes:
    """Which of consecutive events a fault hits: at random, or in bursts.

    Bursts have a geometric length with mean L, the gaps between them such a length that the share of the events hit
    is r. With L = 1, each event is hit with probability r, independently. The chain starts in its stationary state:

    ::

        P(hit | the one before is not) = p = r / (r + L (1 - r))
        P(hit | the one before is)     = 1 - (1 - p) / L

    Args:
        rate: Share r of the events that are hit.
        length: Mean length L of a burst, in events.
        draws: Generator of its draws: one at the start, then one an event.

    Example:
        >>> import numpy as np
        >>> Episodes(0.5, 3.0, np.random.default_rng(1)).next(12).astype(int)
        array([0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])

    References:
        Gilbert (1960), "Capacity of a burst-noise channel", Bell System Technical Journal 39(5).
    """

    def __init__(self, rate: float, length: float, draws: np.random.Generator) -> None:
        # Not by the formula where the length is 1: its rounding could make the two probabilities differ.
        self._begin = rate if length == 1.0 else rate / (rate + length * (1.0 - rate))
        self._stay = rate if length == 1.0 else 1.0 - (1.0 - self._begin) / length
        self._draws = draws
        self._inside = bool(draws.random() < rate)

    def next(self, n_events: int) -> NDArray[np.bool_]:
        """True for those of the next `n_events` events that are hit."""
        draw = self._draws.random(n_events)
        begins = draw < self._begin
        if n_events == 0 or self._stay == self._begin:
            return begins
        # A draw between the two probabilities leaves the state as it is, any other decides it by itself.
        decided = begins | (draw >= self._stay)
        latest = np.maximum.accumulate(np.where(decided, np.arange(n_events), -1))
        inside: NDArray[np.bool_] = np.where(latest >= 0, begins[latest], self._inside)
        self._inside = bool(inside[-1])
        return inside
