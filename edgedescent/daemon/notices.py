"""Notices about the events themselves: what an operator should know about them, logged once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from edgedescent.engine.core import Engine

log = logging.getLogger(__name__)

SAID_MAX = 1024
"""Bound on the features that are logged while the daemon runs."""


class Notices:
    """Logs what the engine leaves out of the events, and what the daemon cannot keep up with.

    Each feature is logged once, absurd labels and dropped answers when there are twice as many, saturation when it
    begins.
    """

    def __init__(self) -> None:
        self._left_out: set[str] = set()
        self._unscored = 0
        self._saturated = False
        self._dropped = 0

    def check(self, engine: Engine) -> None:
        """Log what is new since the last call."""
        for name in engine.learner.left_out():
            if name not in self._left_out and len(self._left_out) < SAID_MAX:
                self._left_out.add(name)
                log.warning(
                    "The feature %r is left out, because none of its texts came twice. If they are names of something "
                    "that comes again, list it in `learner.categories`.",
                    name,
                )
        unscored = engine.errors.n_unscored
        if unscored > 2 * self._unscored:
            self._unscored = unscored
            log.warning(
                "%d labels so far were more than 1000 standard deviations away from the others. They are left out of "
                "the reported errors.",
                unscored,
            )

    def check_load(self, metrics: Mapping[str, Any]) -> None:
        """Log what is new about the load since the last call.

        Args:
            metrics: Current metrics of the daemon.
        """
        saturated = bool(metrics["saturated"])
        if saturated and not self._saturated:
            log.warning(
                "The learner is busy all the time: it bears about %.0f events a second, and more come. %d messages "
                "wait in memory, and more perhaps with the broker; it is %.1f s behind.",
                metrics.get("events_per_busy_second", 0),
                metrics["messages_waiting"],
                metrics["seconds_behind"],
            )
        self._saturated = saturated
        if (dropped := metrics["answers_dropped"]) > 2 * self._dropped:
            self._dropped = dropped
            log.warning("%d answers so far were dropped, because too many waited to be sent.", dropped)
