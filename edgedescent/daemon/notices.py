"""Notices about the events themselves: what an operator should know about them, logged once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from edgedescent.config import Limits
from edgedescent.engine.core import Engine

log = logging.getLogger(__name__)

SAID_MAX = 1024
"""Bound on the features that are logged while the daemon runs."""


class Notices:
    """Logs what is odd about the events, and what the daemon cannot keep up with.

    Each feature that is left out is logged once, saturation when it begins, the rest when there is twice as much.


    Args:
        limits: The ``[limits]`` of the configuration.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left_out: set[str] = set()
        self._unscored = self._reused = self._quarantined = self._lifted = 0
        self._saturated = False
        self._dropped = 0
        self._silent: list[str] = []
        self._late = 0
        self._problems: set[str] = set()

    def check(self, engine: Engine) -> None:
        """Log what is new since the last call."""
        for name in engine.heads.left_out():
            if name not in self._left_out and len(self._left_out) < SAID_MAX:
                self._left_out.add(name)
                log.warning(
                    "The feature %r is left out, because none of its texts came twice. If they are names of something "
                    "that comes again, list it in `learner.categories`.",
                    name,
                )
        self._check_ids(engine)
        unscored = engine.heads.n_unscored
        if unscored > 2 * self._unscored:
            self._unscored = unscored
            log.warning(
                "%d labels so far were more than 1000 standard deviations away from the others. They are left out of "
                "the reported errors.",
                unscored,
            )
        self._check_quarantine(engine)
        if engine.assembling is not None:
            assembler = engine.assembling.assembler
            self._check_inputs(assembler.silent, engine)
            self._check_decoders(assembler.problems())

    def _check_inputs(self, silent: list[str], engine: Engine) -> None:
        for name in silent:
            if name not in self._silent:
                log.warning("The input %r has fallen silent: nothing came for `inputs.%s.silent_after_s`.", name, name)
        for name in self._silent:
            if name not in silent:
                log.info("The input %r sends again.", name)
        self._silent = silent
        late = engine.counters["readings_late"]
        if late > 2 * self._late:
            self._late = late
            log.warning(
                "%d readings so far came later than `assembly.lateness_s` allows, and are dead letters: see "
                "`edgedescent dead-letters list --reason late`. Is the clock of a device behind?",
                late,
            )

    def _check_decoders(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._problems:
                log.warning("%s", problem)
        self._problems = set(problems)

    def _check_ids(self, engine: Engine) -> None:
        reused = engine.counters["ids_reused"]
        if reused <= 2 * self._reused:
            return
        self._reused = reused
        # The engine does not remember it over a restart.
        latest = "" if engine.reused_id is None else " The latest is {1!r} on {0!r}.".format(*engine.reused_id)
        is_dropped = self._limits.reused_ids == "drop"
        log.warning(
            "%d events so far had the id of another event that said something else.%s They are %s; "
            "`limits.reused_ids` decides. Does a sender count anew after a start, or do several share a topic?",
            reused,
            latest,
            "dropped" if is_dropped else "learned",
        )

    def _check_quarantine(self, engine: Engine) -> None:
        quarantined = engine.counters["dead_letters.quarantined"]
        if quarantined > 2 * self._quarantined:
            self._quarantined = quarantined
            log.warning(
                "%d events so far are quarantined, because of absurd labels or floods of new names: see `edgedescent "
                "dead-letters list --reason quarantined`. If they are meant, set `limits.quarantine` to false and "
                "replay them.",
                quarantined,
            )
        lifted = engine.heads.n_lifted
        if lifted > self._lifted:
            self._lifted = lifted
            log.warning(
                "So many events were quarantined in a row that the stream must have changed: such events are learned "
                "from now on. Those before remain dead letters."
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
