"""Many worlds at once, on all processors."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence

import msgspec

from edgedescent_world.runner import Outcome, simulate

_CHUNK = 10
"""How many worlds a process takes at a time."""


class Totals(msgspec.Struct):
    """What happened in all worlds together."""

    worlds: int = 0
    violations: list[Outcome] = msgspec.field(default_factory=list)
    sums: dict[str, int] = msgspec.field(default_factory=dict)
    """Of each count of an outcome, by its name."""

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.worlds += 1
        if outcome.violation is not None:
            self.violations.append(outcome)
        for name, value in msgspec.structs.asdict(outcome).items():
            if name not in ("seed", "violation"):
                self.sums[name] = self.sums.get(name, 0) + value


def command(seed: int) -> str:
    """What reproduces one world, step by step.

    >>> command(7)
    'python -m edgedescent_world --seed 7 --verbose'
    """
    return f"python -m edgedescent_world --seed {seed} --verbose"


def soak(seeds: Sequence[int], jobs: int = 1, on_outcome: Callable[[Totals, Outcome], None] | None = None) -> Totals:
    """Run one world for each seed.

    Args:
        seeds: of the worlds.
        jobs: how many processes share them.
        on_outcome: told of each world as it ends, in no certain order.

    Example:
        >>> soak(range(3)).worlds
        3
    """
    totals = Totals()

    def count(outcome: Outcome) -> None:
        totals.add(outcome)
        if on_outcome is not None:
            on_outcome(totals, outcome)

    if jobs == 1:
        for seed in seeds:
            count(simulate(seed))
    else:
        with multiprocessing.Pool(jobs) as pool:
            for outcome in pool.imap_unordered(simulate, seeds, chunksize=_CHUNK):
                count(outcome)
    return totals
