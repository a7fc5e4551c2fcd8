"""Soak test: many worlds on all processors."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from edgedescent_world.world import Outcome, simulate

_CHUNK = 10
"""Number of worlds that a process runs at a time."""


class Totals(msgspec.Struct):
    """Sums over the outcomes of many worlds."""

    worlds: int = 0
    violations: list[Outcome] = msgspec.field(default_factory=list)
    """Outcomes with a violation."""
    sums: dict[str, int] = msgspec.field(default_factory=dict)
    """Sum of each count of `Outcome`, by its name."""

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one world."""
        self.worlds += 1
        if outcome.violation is not None:
            self.violations.append(outcome)
        for name, value in msgspec.structs.asdict(outcome).items():
            if name not in ("seed", "violation"):
                self.sums[name] = self.sums.get(name, 0) + value


def command(seed: int, *, inputs: bool = False) -> str:
    """Command that runs one world again and prints its trace.

    Example:
        >>> command(7)
        'python -m edgedescent_world --seed 7 --verbose'
    """
    return f"python -m edgedescent_world{' --inputs' if inputs else ''} --seed {seed} --verbose"


def soak(
    seeds: Sequence[int],
    jobs: int = 1,
    on_outcome: Callable[[Totals, Outcome], None] | None = None,
    *,
    inputs: bool = False,
) -> Totals:
    """Run one world for each seed.

    Args:
        seeds: The seeds.
        jobs: Number of processes.
        on_outcome: Called with the sums so far and the outcome of each world, in the order in which they end.
        inputs: True for devices that make their events of readings.

    Returns:
        The sums over all worlds.

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
            count(simulate(seed, inputs=inputs))
    else:
        with multiprocessing.Pool(jobs) as pool:
            for outcome in pool.imap_unordered(partial(simulate, inputs=inputs), seeds, chunksize=_CHUNK):
                count(outcome)
    return totals
