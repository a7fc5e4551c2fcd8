"""The export of a snapshot, as far as the daemon sees of it."""

from __future__ import annotations

import math
from typing import Any

from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline


class SimulatedJob(SnapshotJob):
    """An export that takes its time and may fail."""

    def __init__(self, chance: Chance, timeline: Timeline) -> None:
        super().__init__("", timeout_s=1.0)
        self._chance = chance
        self._timeline = timeline
        self._ends_at = math.inf

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._ends_at < math.inf

    def start(self) -> None:
        """Begin an export."""
        self._chance.step("snapshot")
        self._ends_at = self._timeline.now + self._chance.dice.random()

    def poll(self) -> dict[str, Any] | None:
        """The card of a snapshot; None while there is none."""
        if self._timeline.now < self._ends_at:
            return None
        self._ends_at = math.inf
        return {"path": "model.onnx"} if self._chance.dice.random() < 0.8 else None

    def stop(self) -> None:
        """End it."""
        self._ends_at = math.inf
