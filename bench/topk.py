"""Ask a daemon for recommendations beside a stream of choices over mosquitto, then kill it twenty times.

The daemon learns with `AutoRanker`, from a catalogue of 10,000 items. One client publishes choices at an even pace and,
between them, requests for ten items; the time from a request to its answer is what counts. Then the daemon is killed at
random moments while the choices go on, and its recommendations for every user must be those of an engine that took the
same choices without a restart, to the last bit.
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from backlog import BacklogBroker, publish
from consumers import cpu_seconds, peak_mib
from daemon import LIBRARIES, Verdict, filesystem
from harness import columns, command_line, environment
from shop import ANSWERS, ARRAY, EVENTS, N_USERS, PATIENCE_S, REQUESTS, Device, K, Stream
from steady import Client

from edgedescent import config as configuration
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.errors import EdgeDescentError, TransportError
from edgedescent.state import codec
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

P99_MS_MAX = 20.0
MEMORY_MIB_MAX = 100.0
BETWEEN_KILLS_S = (0.5, 2.5)


@dataclass
class Run:
    """Measurements of a run.

    Args:
        rate: Choices a second.
        asked: Requests a second.
        seconds: Length of the part that is timed.
        n_items: Number of items of the catalogue.
    """

    rate: int
    asked: int
    seconds: float
    n_items: int
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: float = 0.0
    """Largest delay of a publication behind its schedule; the publisher causes it, not the daemon."""
    unanswered: int = 0
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    """The most that the daemon held."""
    kills: int = 0
    events: int = 0
    """Choices that were learned, from the first one on."""
    compared: int = 0
    """Users whose recommendations were compared after the kills."""
    differing: int = 0
    """Users whose recommendations differ from those of an undisturbed run."""
    parts_differing: list[str] = field(default_factory=list)
    """Parts of the learned state that differ."""

    def latency_ms(self, quantile: float) -> float:
        """From publishing a request to the arrival of its answer."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else math.inf

    def verdicts(self) -> list[Verdict]:
        """The targets and what was reached."""
        p99 = self.latency_ms(0.99)
        found = [
            Verdict(f"answer at the 99th percentile within {P99_MS_MAX:g} ms", p99, p99 < P99_MS_MAX),
            Verdict("every request is answered; unanswered", self.unanswered, self.unanswered == 0),
            Verdict(f"resident memory below {MEMORY_MIB_MAX:g} MiB", self.memory_mib, self.memory_mib < MEMORY_MIB_MAX),
        ]
        if self.kills:
            same = self.compared > 0 and self.differing == 0 and not self.parts_differing
            text = f"recommendations as without the {self.kills} kills; of {self.compared:,} users differ"
            found.append(Verdict(text, self.differing, same))
        return found


# --- Measuring ----------------------------------------------------------------------------------------------------


class Asking:
    """Client that publishes choices and requests at an even pace, and times the answers.

    Args:
        client: The connection.
        stream: The choices.
        run: What is measured.
    """

    def __init__(self, client: Client, stream: Stream, run: Run) -> None:
        self._client, self._stream, self._run = client, stream, run
        self._asked_at: dict[int, float] = {}
        self._number = 0

    def ask(self) -> None:
        """Publish a request."""
        self._number += 1
        self._asked_at[self._number] = time.monotonic()
        self._client.publish(REQUESTS, json.dumps({"user": self._stream.user(), "id": self._number}).encode())

    def hear(self, timeout_s: float) -> list[float]:
        """Latencies of the answers that have arrived, in ms; waits at most so long for the first.

        Raises:
            TransportError: If one is no list of items.
        """
        found = []
        for payload in self._client.answers(timeout_s):
            arrived, answer = time.monotonic(), json.loads(payload)
            if len(answer.get("items", ())) != K:
                raise TransportError(f"The daemon answers {payload!r:.200}: expected {K} items.")
            # After a kill one may come again.
            if (asked_at := self._asked_at.pop(answer["id"], None)) is not None:
                found.append(1000 * (arrived - asked_at))
        return found

    def wait(self) -> int:
        """Wait until all requests are answered, and with them all choices before; returns the number of those left."""
        until = time.monotonic() + PATIENCE_S
        while self._asked_at and time.monotonic() < until:
            self.hear(0.05)
        left = len(self._asked_at)
        self._asked_at.clear()
        return left

    def go_on(self, seconds: float, disturb: Callable[[float], None] | None = None) -> list[float]:
        """Publish for so long; returns the latencies of the answers meanwhile, in ms.

        Args:
            seconds: How long.
            disturb: Called with the time since the start before each wait.
        """
        run, found = self._run, list[float]()
        started = time.monotonic()
        due, ask_due, until = started, started + 0.5 / run.rate, started + seconds
        while (now := time.monotonic()) < until:
            if disturb is not None:
                disturb(now - started)
            if now >= ask_due:
                self.ask()
                ask_due += 1 / run.asked
            elif now >= due:
                if disturb is None:
                    run.late_ms = max(run.late_ms, 1000 * (now - due))
                self._client.publish(EVENTS, self._stream.one())
                due += 1 / run.rate
            else:
                found += self.hear(min(due, ask_due) - now)
        return found


def measure(run: Run, *, warm_up: int, kills: int, seed: int, folder: Path) -> None:
    """Fill in the measurements of a run."""
    stream = Stream(run.n_items, seed)
    with tempfile.TemporaryDirectory(prefix="edgedescent-topk-", dir=folder) as own, BacklogBroker() as broker:
        device = Device(Path(own), broker.port)
        client = None
        try:
            broker.wait_for_subscription(device.client_id)
            publish(broker.port, [EVENTS], [stream.array() for _ in range(-(-warm_up // ARRAY))])
            client = Client(broker.port, ANSWERS)
            asking = Asking(client, stream, run)
            asking.ask()
            run.unanswered += asking.wait()
            _time(run, asking, device)
            if kills:
                _kill(run, asking, device, kills, random.Random(seed))  # noqa: S311 - repeatable, not a secret
            device.stop()
        finally:
            device.kill()
            if client is not None:
                client.close()
        run.events = stream.n_events
        if kills:
            _compare(run, device, stream)


def _time(run: Run, asking: Asking, device: Device) -> None:
    cpu_s, started = cpu_seconds(device.pid), time.monotonic()
    run.latencies_ms = asking.go_on(run.seconds)
    run.cpu_percent = 100 * (cpu_seconds(device.pid) - cpu_s) / (time.monotonic() - started)
    run.unanswered += asking.wait()
    run.memory_mib = peak_mib(device.pid)


def _kill(run: Run, asking: Asking, device: Device, kills: int, dice: random.Random) -> None:
    at, moments = 0.0, list[float]()
    for _ in range(kills):
        at += dice.uniform(*BETWEEN_KILLS_S)
        moments.append(at)

    def disturb(now: float) -> None:
        if moments and now >= moments[0]:
            moments.pop(0)
            device.restart()
            run.kills += 1

    asking.go_on(at + 2.0, disturb)
    # This one is behind all choices.
    asking.ask()
    run.unanswered += asking.wait()


def _compare(run: Run, device: Device, stream: Stream) -> None:
    """Hold the daemon that was killed against an engine that took the same messages."""
    config = configuration.load(device.path)
    store = Store(config.state.path, read_only=True)
    try:
        recovered = recover(config, store)
    finally:
        store.close()
    engine = config.build_engine()
    for position, payload in enumerate(stream.sent, start=1):
        engine.handle(Message(position, 0.0, EVENTS, payload))
    learned, expected = recovered.learner.state_dict(), engine.learner.state_dict()
    run.parts_differing = [
        name for name in expected if codec.encode({"": learned[name]}) != codec.encode({"": expected[name]})
    ]
    users = [f"user-{i}" for i in range(N_USERS)]
    run.compared = len(users)
    run.differing = sum(_lists(recovered, user) != _lists(engine, user) for user in users)


def _lists(engine: Engine, user: str) -> list[str]:
    items: list[str] = engine.learner.recommend(user, K, exclude_seen=True)
    return items


# --- Output -------------------------------------------------------------------------------------------------------


def as_table(run: Run) -> str:
    """Lay the measurements out for people."""
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return columns(
        [
            ("requests", *(f"{name} ms" for name in quantiles), "CPU %", "MiB"),
            (
                f"{len(run.latencies_ms):,}",
                *(f"{run.latency_ms(q):.2f}" for q in quantiles.values()),
                f"{run.cpu_percent:.1f}",
                f"{run.memory_mib:.1f}",
            ),
        ],
        text=(),
    )


def as_json(run: Run, ran_on: dict[str, str], command: str) -> str:
    """Write the same for programs, on one line."""
    verdicts, figures = run.verdicts(), asdict(run)
    figures["requests"] = len(figures.pop("latencies_ms"))
    return json.dumps(
        {
            "passed": all(verdict.passed for verdict in verdicts),
            "targets": [asdict(verdict) for verdict in verdicts],
            "latency_ms": {str(q): round(run.latency_ms(q), 3) for q in (0.5, 0.9, 0.99, 0.999, 1.0)},
            **figures,
            "ran_on": ran_on,
            "again": command,
        }
    )


@click.command(epilog="Example: python bench/topk.py --kills 100 --folder /var/lib")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Length of the timing.")
@click.option("--rate", type=click.IntRange(1, 5000), default=1000, show_default=True, help="Choices a second.")
@click.option("--asked", type=click.IntRange(1, 1000), default=50, show_default=True, help="Requests a second.")
@click.option("--items", type=click.IntRange(min=100), default=10_000, show_default=True, help="Items.")
@click.option("--warm-up", type=click.IntRange(min=100), default=30_000, show_default=True, help="Choices before.")
@click.option("--kills", type=click.IntRange(min=0), default=20, show_default=True, help="Kills after the timing.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides choices and moments.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(tempfile.gettempdir()),
    show_default=True,
    help="Where the daemon's state goes meanwhile; it should lie on the kind of disk you would use.",
)
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(
    seconds: float, rate: int, asked: int, items: int, warm_up: int, kills: int, seed: int, folder: Path, json_: bool
) -> None:
    """Time recommendations beside 1,000 choices a second, and kill the daemon 20 times (Linux, mosquitto).

    Exits with 1 if a target is missed.
    """
    run = Run(rate, asked, seconds, items)
    try:
        measure(run, warm_up=max(warm_up, items), kills=kills, seed=seed, folder=folder)
    except EdgeDescentError as error:
        raise click.ClickException(f"{error} {error.hint or ''}".strip()) from error
    ran_on = {**environment(LIBRARIES), "file system": filesystem(folder)}
    verdicts = run.verdicts()
    if json_:
        click.echo(as_json(run, ran_on, command_line()))
    else:
        click.echo(
            f"{K} of {items:,} items, beside {rate:,} choices a second, single, QoS 1, durability power; "
            f"{run.events:,} choices in all\n"
        )
        click.echo(as_table(run) + "\n")
        click.echo(f"published {run.late_ms:.1f} ms late at worst\n")
        for verdict in verdicts:
            click.echo(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.target}: {verdict.reached:,.2f}")
        if run.parts_differing:
            click.echo(f"      parts of the state that differ: {', '.join(run.parts_differing)}")
        click.echo("\nran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(verdict.passed for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
