"""What is left to chance in one world: all of it is drawn, in order, from the one seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec

CRASH_POINTS = (
    "open",
    "read",
    "write",
    "sync",
    "truncate",
    "delete",
    "poll",
    "polled",
    "acknowledge",
    "acknowledged",
    "publish",
    "snapshot",
)
"""The operations before each of which the machine can go down; `write` also in its middle."""
_PATIENCE_STEPS = 300
"""A crash waits so many steps for the operation it was drawn for, then takes any."""


class Crash(BaseException):
    """The daemon's process is gone; nothing it does from here on has any effect.

    Args:
        power: whether the machine lost its power too, and with it whatever was not synced.
    """

    def __init__(self, *, power: bool) -> None:
        super().__init__("power cut" if power else "kill -9")
        self.power = power


class Rates(msgspec.Struct, frozen=True):
    """How often what goes wrong in one world, and how its devices and networks behave."""

    duration_s: float
    """How long faults happen."""
    crash_steps: float
    """Mean steps between crashes; infinite where there are none."""
    power: float
    """The part of crashes that are power cuts."""
    stop_steps: float
    """Mean steps between requests to stop."""
    sync_fails: float
    write_fails: float
    full_every_s: float
    """The disk is full as often, for a while."""
    cut_every_s: float
    """Connections break as often."""
    restart_every_s: float
    """The broker restarts as often."""
    session_lost: float
    """The part of the broker's restarts that lose its sessions."""
    session_stale: float
    """The part of the others that bring back what it had last saved, not what it last knew."""
    doubled: float
    delayed: float
    delay_s: float
    linger: float
    """How often a poll reads on after the first messages, over a new connection if need be."""
    read_max: int
    """How many packets one reading of the socket brings."""
    latency_s: float
    refused: float
    """How often there is no room for an answer."""
    spent_every_s: float
    """What may be written in a day is used up as often."""
    anonymous: float
    """The part of messages whose event has no id."""
    clock_jumps: float
    """How often the wall clock is wrong after a restart."""


def draw_rates(dice: random.Random, *, power: bool) -> Rates:
    """Each fault is absent from some worlds, so that others are seen by themselves, and spread over magnitudes."""

    def between(low: float, high: float) -> float:
        return math.exp(dice.uniform(math.log(low), math.log(high)))

    def rate(low: float, high: float) -> float:
        return between(low, high) if dice.random() < 0.6 else 0.0

    def every(low: float, high: float) -> float:
        return between(low, high) if dice.random() < 0.6 else math.inf

    duration = dice.uniform(2.0, 20.0)
    return Rates(
        duration_s=duration,
        crash_steps=between(60, 3000) if dice.random() < 0.85 else math.inf,
        power=dice.random() if power else 0.0,
        stop_steps=every(200, 5000),
        sync_fails=rate(0.001, 0.1),
        write_fails=rate(0.0003, 0.01),
        full_every_s=every(duration / 10, duration),
        cut_every_s=every(duration / 20, duration),
        restart_every_s=every(duration / 10, duration),
        session_lost=dice.choice((0.0, 0.0, dice.random(), 1.0)),
        session_stale=dice.choice((0.0, dice.random())),
        doubled=rate(0.01, 0.3),
        delayed=rate(0.002, 0.5),
        delay_s=between(0.01, 3.0),
        linger=rate(0.05, 1.0),
        read_max=dice.choice((1, 3, 20, 1000)),
        latency_s=between(0.0001, 0.1),
        refused=rate(0.01, 0.3),
        spent_every_s=every(duration / 5, duration),
        anonymous=rate(0.05, 1.0),
        clock_jumps=rate(0.05, 0.5),
    )


class Chance:
    """The dice of one world, and the plan of its crashes.

    Args:
        seed: decides everything.
        power: whether the world has power cuts.
        note: takes a line of the trace; None where nobody reads it.
    """

    def __init__(self, seed: int, note: Callable[[str], None] | None = None) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - nothing secret depends on it
        self.power = self.dice.random() < 0.85
        self.rates = draw_rates(self.dice, power=self.power)
        self.note = note
        self.steps = 0
        self.calm = False
        """Whether faults have stopped."""
        self.crashed: Crash | None = None
        """How the process ended that is still running here and does not know it yet."""
        self.on_stop: Callable[[], None] | None = None
        """Asks the daemon to stop, as SIGTERM does."""
        self._crash_at = self._stop_at = math.inf
        self._crash_point = ""
        self._plan_crash()
        self._plan_stop()

    def hit(self, rate: float) -> bool:
        """Whether a fault of this rate happens now."""
        return not self.calm and rate > 0 and self.dice.random() < rate

    def wait_s(self, every_s: float) -> float:
        """How long until the next fault of a kind."""
        return math.inf if every_s == math.inf else self.dice.expovariate(1 / every_s)

    def step(self, point: str) -> None:
        """Pass one of `CRASH_POINTS`.

        Raises:
            Crash: if the process ends here.
        """
        self.steps += 1
        if self.steps < self._next or self.calm or self.crashed:
            return
        if self.steps >= self._stop_at:
            self._plan_stop()
            if self.on_stop is not None:
                if self.note:
                    self.note(f"SIGTERM before {point}")
                self.on_stop()
        if self.steps >= self._crash_at and (
            point == self._crash_point or self.steps >= self._crash_at + _PATIENCE_STEPS
        ):
            self._plan_crash()
            self.crash(point, power=self.dice.random() < self.rates.power)

    def crash(self, point: str, *, power: bool) -> None:
        """End the process.

        Raises:
            Crash: always.
        """
        self.crashed = Crash(power=power)
        if self.note:
            self.note(f"--- {self.crashed} before {point}")
        raise self.crashed

    def require_life(self) -> None:
        """Go on only if the process has not ended.

        Raises:
            Crash: once more, if it has: SQLite may have taken the first for a fault of the disk.
        """
        if self.crashed is not None:
            raise self.crashed

    def _plan_crash(self) -> None:
        self._crash_at = self.steps + 1 + self.wait_s(self.rates.crash_steps)
        self._crash_point = self.dice.choice(CRASH_POINTS)
        self._next = min(self._crash_at, self._stop_at)

    def _plan_stop(self) -> None:
        self._stop_at = self.steps + 1 + self.wait_s(self.rates.stop_steps)
        self._next = min(self._crash_at, self._stop_at)
