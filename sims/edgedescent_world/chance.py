"""Random decisions of a world: all of them are drawn, in order, from its seed."""

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
"""Operations before each of which the process can crash; during `write` also in its middle."""
_CRASH_DELAY_STEPS = 300
"""Number of steps after which a planned crash no longer waits for its operation and happens at any."""


class Crash(BaseException):
    """Crash of the daemon's process; nothing that its code does afterwards has any effect.

    Args:
        power: True for a power cut, which also loses what was not synced.
    """

    def __init__(self, *, power: bool) -> None:
        super().__init__("power cut" if power else "kill -9")
        self.power = power


class Rates(msgspec.Struct, frozen=True):
    """Rates of the faults in a world, and parameters of its network and devices."""

    duration_s: float
    """Time after which all faults stop."""
    crash_steps: float
    """Mean number of steps between crashes; infinite for none."""
    power: float
    """Share of the crashes that are power cuts."""
    stop_steps: float
    """Mean number of steps between requests to stop."""
    sync_fails: float
    """Probability that a sync fails."""
    write_fails: float
    """Probability that a write fails."""
    full_every_s: float
    """Mean time between periods with a full disk."""
    cut_every_s: float
    """Mean time between losses of the connection."""
    restart_every_s: float
    """Mean time between restarts of the broker."""
    session_lost: float
    """Share of the broker's restarts that lose its sessions."""
    session_stale: float
    """Share of the other restarts that restore the session last saved."""
    doubled: float
    """Probability that a sensor sends a message twice."""
    delayed: float
    """Probability that a message is sent late."""
    delay_s: float
    """Mean delay of a late or second message."""
    linger: float
    """Probability that a poll reads on after the first messages, possibly over a new connection."""
    read_max: int
    """Number of packets that one read of the socket returns at most."""
    latency_s: float
    """Longest latency of the network."""
    refused: float
    """Probability that an answer cannot be sent."""
    spent_every_s: float
    """Mean time between moments at which the write budget is used up."""
    anonymous: float
    """Share of the messages whose event has no id."""
    clock_jumps: float
    """Probability that the wall clock is wrong after a crash."""
    folder_lost_s: float = math.inf
    """Time at which somebody deletes the state folder; infinite for never."""


def draw_rates(dice: random.Random, *, power: bool) -> Rates:
    """Draw the rates of a world.

    Each fault is absent from some worlds, so that others occur alone, and its rate varies over orders of magnitude.

    Args:
        dice: The random numbers of the world.
        power: True if the world has power cuts.
    """

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
    """Random source of a world, and the plan of the crashes of its daemon.

    Args:
        seed: Determines all decisions.
        trace: Called with each line of the trace; None for no trace.
    """

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - nothing secret depends on it
        self.later = random.Random(f"{seed} later")  # noqa: S311
        """Random numbers of faults that were added later: with `dice`, each seed would be another world than before."""
        self.filters = random.Random(f"{seed} filters")  # noqa: S311
        """Random numbers of topics and of the filters for them, likewise."""
        self.slices = random.Random(f"{seed} slices")  # noqa: S311 - nothing secret depends on it
        """Random numbers for the time that learning takes, and for what the daemon does about it."""
        self.ids = random.Random(f"{seed} ids")  # noqa: S311
        """Random numbers of what the ids of events mean, likewise."""
        self.intervals = random.Random(f"{seed} intervals")  # noqa: S311
        """Random numbers of the prediction intervals of the answers, likewise."""
        self.drift = random.Random(f"{seed} drift")  # noqa: S311
        """Random numbers of what watches for drift, likewise."""
        self.inputs = random.Random(f"{seed} inputs")  # noqa: S311
        """Random numbers of the inputs of a device that assembles its events, likewise."""
        self.power = self.dice.random() < 0.85
        """True if the world has power cuts."""
        rates = draw_rates(self.dice, power=self.power)
        lost_s = self.later.uniform(0.1, 0.9) * rates.duration_s if self.later.random() < 0.1 else math.inf
        self.rates = msgspec.structs.replace(rates, folder_lost_s=lost_s)
        self.trace = trace
        self.steps = 0
        self.calm = False
        """True once faults have stopped."""
        self.crashed: Crash | None = None
        """Crash of the current process, whose code may still run in `finally` blocks and in SQLite."""
        self.on_stop: Callable[[], None] | None = None
        """Function that requests the daemon to stop, as SIGTERM does."""
        self._crash_at = self._stop_at = math.inf
        self._crash_point = ""
        self._plan_crash()
        self._plan_stop()

    def hit(self, rate: float) -> bool:
        """Decide if a fault with this probability happens now."""
        return not self.calm and rate > 0 and self.dice.random() < rate

    def wait_s(self, every_s: float) -> float:
        """Draw the time until the next fault of a kind, which is exponentially distributed."""
        return math.inf if every_s == math.inf else self.dice.expovariate(1 / every_s)

    def step(self, point: str) -> None:
        """Count a step of the daemon, which may end with a crash or request a stop.

        Args:
            point: The operation that follows, one of `CRASH_POINTS`.

        Raises:
            Crash: If the process crashes here.
        """
        self.steps += 1
        if self.steps < self._next or self.calm or self.crashed:
            return
        if self.steps >= self._stop_at:
            self._plan_stop()
            if self.on_stop is not None:
                if self.trace:
                    self.trace(f"SIGTERM before {point}")
                self.on_stop()
        if self.steps >= self._crash_at and (
            point == self._crash_point or self.steps >= self._crash_at + _CRASH_DELAY_STEPS
        ):
            self._plan_crash()
            self.crash(point, power=self.dice.random() < self.rates.power)

    def crash(self, point: str, *, power: bool) -> None:
        """Crash the process.

        Args:
            point: The operation that would follow, for the trace.
            power: True for a power cut.

        Raises:
            Crash: Always.
        """
        self.crashed = Crash(power=power)
        if self.trace:
            self.trace(f"--- {self.crashed} before {point}")
        raise self.crashed

    def raise_if_crashed(self) -> None:
        """Raise the crash again if the process has crashed: SQLite may have handled it as an error of the disk.

        Raises:
            Crash: If the process has crashed.
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
