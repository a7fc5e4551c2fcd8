"""Heads of an engine: its only model, or one for each horizon of a forecast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgedescent.engine.head import COUNTED, Head, horizon_name
from edgedescent.evaluation import Prequential

if TYPE_CHECKING:
    from edgedescent.learners import Learner


class Heads:
    """Heads of an engine: one, or one for each horizon of a forecast, with equal configuration.

    Args:
        learner: What predicts and learns in the first head; the others get clones of it, which have learned nothing.
        counters: Counters of the engine.

    Attributes:
        first: The first head.
        all: The heads, in the order of their horizons.
        by_horizon: The heads by the horizon that marks the rows for them; None for the only head.
    """

    def __init__(self, learner: Learner, counters: Counter[str]) -> None:
        self._counters = counters
        self._horizons: tuple[float | None, ...] = ()
        self._put({None: Head(learner, counters)})

    def _put(self, heads: dict[float | None, Head]) -> None:
        self.by_horizon = heads
        self.all = tuple(heads.values())
        self.first = self.all[0]

    @property
    def are_several(self) -> bool:
        """True if there are heads of several horizons."""
        return len(self.all) > 1

    @property
    def n_unscored(self) -> int:
        """Number of labels that are left out of the errors."""
        return sum(head.errors.n_unscored for head in self.all)

    @property
    def n_lifted(self) -> int:
        """Number of times that a quarantine was lifted."""
        return sum(head.quarantine.n_lifted for head in self.all)

    def left_out(self) -> list[str]:
        """Features that a learner leaves out."""
        return list(dict.fromkeys(name for head in self.all for name in head.learner.left_out()))

    def metrics(self, waiting: Mapping[float, Mapping[str, float | int]]) -> dict[str, dict[str, float | int]]:
        """Counters, errors and what waits of each of several heads, by the name of its horizon.

        Args:
            waiting: What the assembler says of each horizon.
        """
        return {
            horizon_name(horizon): {**head.counts(), **head.metrics(), **waiting[horizon]}
            for horizon, head in self.by_horizon.items()
            if horizon is not None
        }

    def restart_scores(self) -> None:
        """Begin the scores anew."""
        for head in self.all:
            head.errors.restore(Prequential().save())

    def take_horizons(self, horizons: tuple[float | None, ...]) -> None:
        """Have a head for each horizon. One whose horizon stays goes on; one that is new has learned nothing.

        Where there is one horizon before and after, its model goes on, whatever the horizon.

        Args:
            horizons: The horizons; None alone for labels that are no forecasts.
        """
        before, self._horizons = self._horizons, horizons
        if not before:
            before = horizons[:1]
        if horizons == before or len(horizons) == len(before) == 1:
            return
        known = dict(zip(before, self.all, strict=True))
        heads: dict[float | None, Head] = {}
        for horizon in horizons:
            mark = horizon if len(horizons) > 1 else None
            head = heads[mark] = known.get(horizon) or Head(self.first.learner.clone(), Counter())
            if mark is None:
                head.counters = self._counters
            elif head.horizon_s is None:
                head.counters = Counter({name: head.counters[name] for name in COUNTED if name in head.counters})
            head.horizon_s = mark
        self._put(heads)
