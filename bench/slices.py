"""Longest waits of the daemon's loop within a message: a run of slices, and a single event."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click
from harness import command_line, environment

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.engine.slicing import Slicer
from edgedescent.learners import Learner

FEATURES_MAX = 16_000
"""Features of a wide event; 16,384 are permitted."""
RUN_S_MAX = 0.1
"""Bound on a run in which no single event takes longer than half of it."""
STOP_S_MAX = 1.0
"""Bound on any run, and on the first event: within this time a stop is heard."""


@dataclass(frozen=True)
class Result:
    """Times of one learner on one kind of message."""

    learner: str
    events: int
    """Events in the array."""
    features: int
    """Features of each."""
    first_ms: float
    """Time of the first event, which brings all features."""
    event_ms: float
    """Mean time of those behind it."""
    run_ms_max: float
    """Longest run: for so long a stop, the watchdog and the connection may wait."""
    message_s: float
    """Time of the message."""


def array(events: int, features: int) -> bytes:
    """Array whose events have ever other values."""
    rows = ({"x": {f"f{j}": (i * j) % 7 for j in range(features)}, "y": i % 5} for i in range(events))
    return json.dumps(list(rows), separators=(",", ":")).encode()


def measure(learner: Learner, name: str, events: int, features: int) -> Result:
    """Handle an array in slices, as the daemon does."""
    engine, slicer = Engine(learner, payload_bytes_max=1 << 28), Slicer(time.monotonic)
    before = time.monotonic()
    engine.handle(Message(1, 0.0, "events", array(1, features)))
    first_ms = (time.monotonic() - before) * 1e3
    messages: Iterator[Message] = iter([Message(2, 0.0, "events", array(events, features))])
    runs: list[float] = []
    done = False
    while not done:
        before = time.monotonic()
        done = slicer.run(engine, messages, lambda _message, _effects: True)
        runs.append(time.monotonic() - before)
    learned = max(engine.counters["events_learned"] - 1, 1)
    return Result(name, events, features, first_ms, sum(runs) / learned * 1e3, max(runs) * 1e3, sum(runs))


def wide(*hidden: int) -> Learner:
    """Network with room for all features of a wide event."""
    return MLPRegressor(hidden=hidden, features_max=16_384)


CASES: list[tuple[str, Callable[[], Learner], int, int]] = [
    ("LinearRegressor", LinearRegressor, 10_000, 10),
    ("MLPRegressor, default", MLPRegressor, 10_000, 10),
    ("MLPRegressor, hidden 512, 512", lambda: MLPRegressor(hidden=(512, 512)), 10_000, 10),
    ("MLPRegressor, default", lambda: wide(64, 32), 9, FEATURES_MAX),
    # The largest that are permitted: as many weights as possible, and as many features of an event.
    ("MLPRegressor, hidden 512 three times", lambda: wide(512, 512, 512), 9, FEATURES_MAX),
    ("MLPRegressor, hidden 300, 2000, 2000", lambda: wide(300, 2000, 2000), 9, FEATURES_MAX),
    ("MLPRegressor, hidden 2000 three times", lambda: MLPRegressor(hidden=(2000,) * 3, features_max=1000), 20, 10),
]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(as_json: bool) -> None:
    """Print the longest time for which the loop of the daemon waits within a message."""
    results = [measure(make(), name, events, features) for name, make, events, features in CASES]
    passed = all(
        max(r.run_ms_max, r.first_ms) < STOP_S_MAX * 1e3
        and (r.run_ms_max < RUN_S_MAX * 1e3 or r.event_ms > RUN_S_MAX * 5e2)
        for r in results
    )
    if as_json:
        rows = [asdict(result) for result in results]
        ran_on = environment(["edgedescent", "numpy"])
        click.echo(json.dumps({"passed": passed, "results": rows, "ran_on": ran_on, "again": command_line()}))
    else:
        for r in results:
            click.echo(
                f"{r.learner:40} {r.events:6} events of {r.features:5} features: first {r.first_ms:6.1f} ms, "
                f"then {r.event_ms:9.3f} ms each, longest run {r.run_ms_max:7.1f} ms, message {r.message_s:6.2f} s"
            )
    sys.exit(not passed)


if __name__ == "__main__":
    main()
