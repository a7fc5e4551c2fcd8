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


@dataclass(frozen=True)
class Result:
    """Times of one learner on one kind of message."""

    learner: str
    events: int
    """Events in the array."""
    features: int
    """Features of each."""
    event_ms: float
    """Mean time of an event."""
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
    # The table of features grows with the first event.
    engine.handle(Message(1, 0.0, "events", array(1, features)))
    messages: Iterator[Message] = iter([Message(2, 0.0, "events", array(events, features))])
    runs: list[float] = []
    done = False
    while not done:
        before = time.monotonic()
        done = slicer.run(engine, messages, lambda _message, _effects: True)
        runs.append(time.monotonic() - before)
    learned = max(engine.counters["events_learned"] - 1, 1)
    return Result(name, events, features, sum(runs) / learned * 1e3, max(runs) * 1e3, sum(runs))


CASES: list[tuple[str, Callable[[], Learner], int, int]] = [
    ("LinearRegressor", LinearRegressor, 10_000, 10),
    ("MLPRegressor, default", MLPRegressor, 10_000, 10),
    ("MLPRegressor, hidden 512, 512", lambda: MLPRegressor(hidden=(512, 512)), 10_000, 10),
    ("MLPRegressor, default", MLPRegressor, 9, FEATURES_MAX),
    ("MLPRegressor, hidden 512, 512", lambda: MLPRegressor(hidden=(512, 512)), 9, FEATURES_MAX),
    ("MLPRegressor, hidden 4096 three times", lambda: MLPRegressor(hidden=(4096, 4096, 4096)), 20, 10),
]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(as_json: bool) -> None:
    """Print the longest time for which the loop of the daemon waits within a message."""
    results = [measure(make(), name, events, features) for name, make, events, features in CASES]
    passed = all(r.run_ms_max < RUN_S_MAX * 1e3 or r.event_ms > RUN_S_MAX * 5e2 for r in results)
    if as_json:
        rows = [asdict(result) for result in results]
        ran_on = environment(["edgedescent", "numpy"])
        click.echo(json.dumps({"passed": passed, "results": rows, "ran_on": ran_on, "again": command_line()}))
    else:
        for r in results:
            click.echo(
                f"{r.learner:40} {r.events:6} events of {r.features:5} features: {r.event_ms:9.3f} ms each, "
                f"longest run {r.run_ms_max:7.1f} ms, message {r.message_s:6.2f} s"
            )
    sys.exit(not passed)


if __name__ == "__main__":
    main()
