"""Time and memory of a learner per event."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Resident memory of this process in bytes; where the system does not say, the most that it ever had."""
    if _STATM.exists():
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    # In KiB on Linux, in bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def state_bytes(state: Mapping[str, Any]) -> int:
    """Size of a learner's state in bytes: its arrays, and its names in UTF-8.

    Args:
        state: What `state_dict` returns: arrays, and lists of names.

    Example:
        >>> import numpy as np
        >>> state_bytes({"w": np.zeros(3), "names": ["temp"]})
        28
    """
    return sum(
        value.nbytes if hasattr(value, "nbytes") else sum(len(str(item).encode()) for item in value)
        for value in state.values()
    )


class CostMeter:
    """Time and growth of memory of a run, of the parts of it that are timed.

    These figures differ from run to run, so they belong in no result that is to be repeated bit for bit.

    Example:
        >>> meter = CostMeter()
        >>> for batch in ([1.0, 2.0], [3.0]):
        ...     with meter.timed(n_events=len(batch)):
        ...         total = sum(batch)
        >>> meter.n_events
        3
        >>> sorted(meter.summary())
        ['cpu_us_per_event', 'resident_growth_bytes', 'us_per_event']
    """

    def __init__(self) -> None:
        self.n_events = 0
        """Number of events in the timed parts."""
        self._wall_s = self._cpu_s = 0.0
        self._resident_before: int | None = None

    @contextmanager
    def timed(self, n_events: int) -> Iterator[None]:
        """Time what the block does; a block that raises is not counted.

        Args:
            n_events: Number of events that it handles.
        """
        if self._resident_before is None:
            self._resident_before = resident_bytes()
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self._wall_s += time.perf_counter() - wall
        self._cpu_s += time.process_time() - cpu
        self.n_events += n_events

    def summary(self) -> dict[str, float]:
        """Cost so far by name; empty before the first event.

        `us_per_event` is wall time in microseconds, `cpu_us_per_event` processor time of all threads of this process,
        and `resident_growth_bytes` the growth of its resident memory since the first timed part began.
        """
        if not self.n_events or self._resident_before is None:
            return {}
        return {
            "us_per_event": self._wall_s / self.n_events * 1e6,
            "cpu_us_per_event": self._cpu_s / self.n_events * 1e6,
            "resident_growth_bytes": float(resident_bytes() - self._resident_before),
        }
