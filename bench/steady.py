"""A steady stream to the daemon: what it writes in a day, how fast it answers, and whether its memory grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from backlog import BacklogBroker
from consumers import cpu_seconds
from daemon import filesystem, payloads
from harness import command_line, environment
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

EVENTS, ANSWERS = "edgedescent/steady/events", "edgedescent/steady/predictions"
LIBRARIES = ("edgedescent", "paho-mqtt", "msgspec", "numpy")
DIFFERENT = 50_000
"""So many messages are made; then they come again under other ids."""
WARM_UP = 0.5
"""The part of the time after which memory is to stay as it is: by then the windows of repeats are full."""
GIGABYTES_PER_DAY_MAX = 9.0
P99_MS_MAX = 20.0
GROWTH_MIB_MAX = 2.0


@dataclass(frozen=True)
class Measured:
    """What came of a stream."""

    messages: int
    seconds: float
    answers: int
    gigabytes_per_day: float
    cpu_percent: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    memory_mib: float
    growth_mib: float

    @property
    def verdicts(self) -> list[tuple[str, bool]]:
        """Each target, and whether it was reached."""
        return [
            (f"every message is answered: {self.answers:,} of {self.messages:,}", self.answers == self.messages),
            (
                f"below {GIGABYTES_PER_DAY_MAX:g} GB written a day: {self.gigabytes_per_day:.2f}",
                self.gigabytes_per_day < GIGABYTES_PER_DAY_MAX,
            ),
            (f"99 % answered within {P99_MS_MAX:g} ms: {self.p99_ms:.1f}", self.p99_ms < P99_MS_MAX),
            (
                f"memory grows by less than {GROWTH_MIB_MAX:g} MiB: {self.growth_mib:.1f}",
                self.growth_mib < GROWTH_MIB_MAX,
            ),
        ]


def written_bytes(pid: int) -> int:
    """How much a process has had written to disks (proc(5), io)."""
    lines = Path(f"/proc/{pid}/io").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def resident_mib(pid: int) -> float:
    """The memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


@contextmanager
def running_daemon(folder: Path, port: int) -> Iterator[int]:
    """`edgedescent run` with default settings; gives its process id."""
    config = folder / "device.toml"
    config.write_text(
        f'device = "steady"\n[learner]\ntype = "LinearRegressor"\n[state]\npath = "{folder / "state"}"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\n',
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "edgedescent", "run", str(config)], stderr=log)
    try:
        yield daemon.pid
    finally:
        daemon.terminate()
        daemon.wait()


class Stream:
    """Publishes at a rate, and notes when each answer came."""

    def __init__(self, port: int) -> None:
        self.latencies_s: list[float] = []
        self.sent = 0
        self._sent_at: dict[str, float] = {}
        self._made = payloads(DIFFERENT, 1)
        self._listener = self._client(port)
        self._listener.on_message = self._on_answer
        self._listener.subscribe(ANSWERS)
        self._publisher = self._client(port)

    @staticmethod
    def _client(port: int) -> Client:
        client = Client(CallbackAPIVersion.VERSION2)
        client.max_inflight_messages_set(10_000)
        client.connect("127.0.0.1", port)
        client.loop_start()
        return client

    def publish(self) -> None:
        """Send the next message."""
        round_, place = divmod(self.sent, DIFFERENT)
        name = f"event-{round_}-{place}"
        payload = self._made[place].replace(b'"event-%d"' % place, f'"{name}"'.encode(), 1)
        self._sent_at[name] = time.perf_counter()
        self._publisher.publish(EVENTS, payload, qos=1)
        self.sent += 1

    def _on_answer(self, _client: Client, _data: Any, message: Any) -> None:
        now = time.perf_counter()
        self.latencies_s.append(now - self._sent_at.pop(json.loads(message.payload)["id"]))

    def close(self) -> None:
        """End both connections."""
        for client in (self._publisher, self._listener):
            client.disconnect()
            client.loop_stop()


def measure(seconds: float, rate: float, folder: Path) -> Measured:
    """Send a stream to a daemon of its own, over a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="edgedescent-bench-", dir=folder) as own,
        BacklogBroker() as broker,
        running_daemon(Path(own), broker.port) as pid,
    ):
        broker.wait_for_subscription("edgedescent-steady")
        stream = Stream(broker.port)
        written, cpu_s, started = written_bytes(pid), cpu_seconds(pid), time.perf_counter()
        warm_mib = 0.0
        while (elapsed := time.perf_counter() - started) < seconds:
            while stream.sent < elapsed * rate:
                stream.publish()
            if not warm_mib and elapsed >= WARM_UP * seconds:
                warm_mib = resident_mib(pid)
            time.sleep(0.002)
        time.sleep(2.0)
        elapsed = time.perf_counter() - started
        memory_mib = resident_mib(pid)
        written, cpu_s = written_bytes(pid) - written, cpu_seconds(pid) - cpu_s
        stream.close()
    ordered = [1000 * latency_s for latency_s in sorted(stream.latencies_s)]
    return Measured(
        stream.sent,
        elapsed,
        len(ordered),
        written / elapsed * 86_400 / 1e9,
        100 * cpu_s / elapsed,
        ordered[len(ordered) // 2],
        ordered[int(len(ordered) * 0.99)],
        ordered[-1],
        memory_mib,
        memory_mib - warm_mib,
    )


@click.command(epilog="Example: python bench/steady.py --minutes 60")
@click.option("--minutes", type=click.FloatRange(min=0.05), default=11.0, show_default=True, help="How long.")
@click.option("--rate", type=click.FloatRange(min=1), default=500.0, show_default=True, help="Messages a second.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(tempfile.gettempdir()),
    show_default=True,
    help="Where the daemon's state goes meanwhile; it should lie on the kind of disk you would use.",
)
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of text.")
def main(minutes: float, rate: float, folder: Path, json_: bool) -> None:
    """Send a steady stream to the daemon with default settings (Linux, with mosquitto).

    What is written comes in waves of minutes, when SQLite moves its log, and with each checkpoint: less than ten
    minutes tell little. Exits with 1 if a target is missed.
    """
    found = measure(60 * minutes, rate, folder)
    ran_on = {**environment(LIBRARIES), "file system": filesystem(folder)}
    passed = all(reached for _, reached in found.verdicts)
    if json_:
        click.echo(json.dumps({"passed": passed, **asdict(found), "ran_on": ran_on, "again": command_line()}))
    else:
        click.echo(
            f"{found.messages:,} messages in {found.seconds:.0f} s: {found.gigabytes_per_day:.2f} GB a day written, "
            f"answers after {found.p50_ms:.2f} ms (99 %: {found.p99_ms:.1f} ms, all: {found.max_ms:.0f} ms), "
            f"{found.cpu_percent:.1f} % of a processor, {found.memory_mib:.1f} MiB\n"
        )
        for text, reached in found.verdicts:
            click.echo(f"{'pass' if reached else 'FAIL'}  {text}")
        click.echo("\nran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
