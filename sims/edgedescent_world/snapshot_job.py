"""Simulated export of a snapshot."""

from __future__ import annotations

import math
from typing import Any

from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline


class SimulatedSnapshotJob(SnapshotJob):
    """Snapshot job without a child process, which takes up to a second and sometimes fails.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
    """

    def __init__(self, chance: Chance, timeline: Timeline) -> None:
        super().__init__("", timeout_s=1.0)
        self._chance = chance
        self._timeline = timeline
        self._ends_at = math.inf

    @property
    def running(self) -> bool:
        """True while an export is running."""
        return self._ends_at < math.inf

    def start(self) -> None:
        """Start an export."""
        self._chance.step("snapshot")
        self._ends_at = self._timeline.now + self._chance.dice.random()

    def poll(self) -> dict[str, Any] | None:
        """Model card of an export that has just succeeded; else None."""
        if self._timeline.now < self._ends_at:
            return None
        self._ends_at = math.inf
        return {"path": "model.onnx"} if self._chance.dice.random() < 0.8 else None

    def stop(self) -> None:
        """Abort the export."""
        self._ends_at = math.inf
