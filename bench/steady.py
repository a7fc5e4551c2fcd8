"""An hour like any other: a paced stream through a broker and the daemon, and what it costs the device."""

from __future__ import annotations

import json
import math
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from backlog import BacklogBroker
from consumers import Load, OurDaemon, cpu_seconds
from daemon import LIBRARIES, Verdict, filesystem, payloads
from harness import columns, command_line, environment
from mqtt_packets import packet, text

from edgedescent.config import State
from edgedescent.errors import EdgeDescentError, TransportError

EVENTS = "edgedescent/steady/events"
PREDICTIONS = "edgedescent/steady/predictions"
GROWTH_MIB_MAX = 2.0
P99_MS_MAX = 20.0
MEMORY_MIB_MAX = 100.0
BASELINE_S = 300.0
"""Time after which memory counts as settled; the end is compared with it. A short run takes its first third."""
PATIENCE_S = 5.0
"""Longest wait for the last predictions."""
KEEPALIVE_S = 60
_DAY_S = 86_400.0


@dataclass
class Minute:
    """Measurements of one minute, or of a twelfth of a shorter run."""

    ended_at_s: float
    memory_mib: float
    """Resident, at its end."""
    cpu_percent: float
    written_bytes: int
    """By the kernel's count."""
    answered: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass
class Run:
    """Measurements of a run."""

    rate: int
    seconds: float
    written_bytes_per_day_max: int | None
    minutes: list[Minute] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    sent: int = 0
    late_ms: float = 0.0
    """Largest delay of a publication behind its schedule; the publisher causes it, not the daemon."""
    lost: int = 0

    def latency_ms(self, quantile: float) -> float:
        """From publishing an event to its prediction's arrival."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else math.inf

    @property
    def settled(self) -> Minute:
        """The minute that the end is compared with."""
        until = min(BASELINE_S, self.seconds / 3)
        return next(minute for minute in self.minutes if minute.ended_at_s >= until - 0.5)

    @property
    def growth_mib(self) -> float:
        """Of resident memory from then on."""
        return self.minutes[-1].memory_mib - self.settled.memory_mib

    @property
    def written_bytes_per_day(self) -> float:
        """Bytes that the run would write in a day, including the files it began with."""
        return sum(minute.written_bytes for minute in self.minutes) / self.minutes[-1].ended_at_s * _DAY_S

    def verdicts(self) -> list[Verdict]:
        """The targets and what was reached."""
        p99, growth, written = self.latency_ms(0.99), self.growth_mib, self.written_bytes_per_day
        largest = max(minute.memory_mib for minute in self.minutes)
        found = [
            Verdict(f"resident memory grows by {GROWTH_MIB_MAX:g} MiB at most", growth, growth <= GROWTH_MIB_MAX),
            Verdict(f"resident memory below {MEMORY_MIB_MAX:g} MiB", largest, largest < MEMORY_MIB_MAX),
            Verdict(f"latency at the 99th percentile below {P99_MS_MAX:g} ms", p99, p99 < P99_MS_MAX),
            Verdict("every event is answered; unanswered", self.lost, self.lost == 0),
        ]
        if self.written_bytes_per_day_max is not None:
            bound = self.written_bytes_per_day_max
            text = f"at most {bound / 1e9:g} GB written a day (`state.written_bytes_per_day_max`)"
            found.append(Verdict(text, written / 1e9, written <= bound))
        return found


class Steady(OurDaemon):
    """The daemon as an operator would run it: durable against power cuts, metrics every ten seconds."""

    client_id = "edgedescent-steady"

    def __init__(self, folder: Path, port: int, learner: str) -> None:
        super().__init__(folder, port, 1, Load([], []))
        self.learner = learner

    def command(self) -> list[str]:
        """Command that starts it."""
        config = self.folder / "device.toml"
        config.write_text(
            f'device = "steady"\nlearner = "{self.learner}"\n[state]\npath = "{self.folder / "state"}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {self.port}\n',
            encoding="utf-8",
        )
        return [sys.executable, "-m", "edgedescent", "run", str(config)]

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid


# --- The publisher and the subscriber, one connection of MQTT 3.1.1 ------------------------------------------------


class Client:
    """Publishes with QoS 1 and hears answers, without threads whose turns would count as latency.

    Args:
        port: of the broker.
        answers: topic of the answers.
    """

    def __init__(self, port: int, answers: str) -> None:
        self._answers = text(answers)
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(packet(0x10, b"\0\4MQTT\4\2" + KEEPALIVE_S.to_bytes(2, "big") + b"\0\0"))
        self._sock.sendall(packet(0x82, b"\0\1" + self._answers + b"\0"))
        self._received = b""
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self._packet_id = 0
        heard: list[int] = []
        while 9 not in heard:
            if not self._poll.poll(5000):
                raise TransportError("The broker does not confirm the subscription.")
            heard += [kind for kind, _ in self._packets()]

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message."""
        self._packet_id = self._packet_id % 65_535 + 1
        self._sock.sendall(packet(0x32, text(topic) + self._packet_id.to_bytes(2, "big") + payload))

    def answers(self, timeout_s: float) -> list[bytes]:
        """Answers that have arrived; waits at most `timeout_s` for the first."""
        if not self._poll.poll(max(timeout_s, 0.0) * 1000):
            return []
        return [body[len(self._answers) :] for kind, body in self._packets() if kind == 3]

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    def _packets(self) -> list[tuple[int, bytes]]:
        data = self._sock.recv(1 << 16)
        if not data:
            raise TransportError("The broker has closed the connection.")
        self._received += data
        found, at = [], 0
        while (split := _split(self._received, at)) is not None:
            start, end = split
            found.append((self._received[at] >> 4, self._received[start:end]))
            at = end
        self._received = self._received[at:]
        return found


def _split(data: bytes, at: int) -> tuple[int, int] | None:
    """Begin and end of the content of the packet at a place; None if it is not complete."""
    length = 0
    for i, byte in enumerate(data[at + 1 : at + 5]):
        length |= (byte & 127) << 7 * i
        if byte < 128:
            start = at + 2 + i
            return (start, start + length) if start + length <= len(data) else None
    return None


# --- Measuring ----------------------------------------------------------------------------------------------------


@dataclass
class Gauge:
    """The kernel's figures of the daemon since the last call."""

    pid: int

    def __post_init__(self) -> None:
        self._cpu_s, self._written, self._at = cpu_seconds(self.pid), written_bytes(self.pid), time.monotonic()

    def minute(self, ended_at_s: float, latencies_ms: Sequence[float]) -> Minute:
        """Sum up the time since the last call."""
        cpu_s, written, now = cpu_seconds(self.pid), written_bytes(self.pid), time.monotonic()
        ordered = sorted(latencies_ms) or [math.inf]
        found = Minute(
            ended_at_s=ended_at_s,
            memory_mib=resident_mib(self.pid),
            cpu_percent=100 * (cpu_s - self._cpu_s) / (now - self._at),
            written_bytes=written - self._written,
            answered=len(latencies_ms),
            p50_ms=statistics.median(ordered),
            p99_ms=ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)],
            max_ms=ordered[-1],
        )
        self._cpu_s, self._written, self._at = cpu_s, written, now
        return found


def written_bytes(pid: int) -> int:
    """Bytes that a process has caused to be written to storage (proc(5), `write_bytes` of io)."""
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(rate: int, seconds: float, folder: Path, learner: str) -> Run:
    """Publish at an even pace for so long, and watch the daemon meanwhile."""
    run = Run(rate, seconds, getattr(State(), "written_bytes_per_day_max", None))
    events = payloads(min(int(rate * seconds) + 1, 50_000), 1)
    with (
        tempfile.TemporaryDirectory(prefix="edgedescent-steady-", dir=folder) as own,
        BacklogBroker() as broker,
        Steady(Path(own), broker.port, learner) as daemon,
    ):
        broker.wait_for_subscription(daemon.client_id)
        client = Client(broker.port, PREDICTIONS)
        try:
            _stream(run, client, Gauge(daemon.pid), events)
        finally:
            client.close()
        if daemon.ended(0):
            raise TransportError("The daemon has ended.")
    return run


def _stream(run: Run, client: Client, gauge: Gauge, events: Sequence[bytes]) -> None:
    every_s = min(60.0, run.seconds / 12)
    published: dict[bytes, float] = {}
    recent: list[float] = []
    started = time.monotonic()
    due, next_minute = started, started + every_s
    until = started + run.seconds
    while (now := time.monotonic()) < until or published or next_minute <= until:
        if now > until + PATIENCE_S:
            break
        if now < until and now >= due:
            run.late_ms = max(run.late_ms, 1000 * (now - due))
            run.sent += 1
            # A new id each time, or the daemon would take it for a repeat. The rest of it is one of a set.
            event = events[run.sent % len(events)]
            name = b'{"id":"s%d"' % run.sent
            published[name[1:]] = now
            client.publish(EVENTS, name + event[event.index(b',"x"') :])
            due += 1 / run.rate
            continue
        wait_s = min(due, next_minute) - time.monotonic() if now < until else 0.01
        for payload in client.answers(wait_s):
            arrived = time.monotonic()
            start = payload.index(b'"id"')
            sent_at = published.pop(payload[start : payload.index(b'"', start + 6) + 1], None)
            if sent_at is not None:
                recent.append(1000 * (arrived - sent_at))
        if time.monotonic() >= next_minute:
            run.minutes.append(gauge.minute(time.monotonic() - started, recent))
            run.latencies_ms += recent
            recent = []
            next_minute += every_s
            _tell(run)
    run.latencies_ms += recent
    run.lost = len(published)


def _tell(run: Run) -> None:
    if sys.stderr.isatty():
        minute = run.minutes[-1]
        text = (
            f"{minute.ended_at_s:,.0f} of {run.seconds:,.0f} s: {minute.memory_mib:.1f} MiB, p99 {minute.p99_ms:.1f} ms"
        )
        click.echo(f"\r\33[K{text}", err=True, nl=False)


# --- Output -------------------------------------------------------------------------------------------------------


def as_table(run: Run) -> str:
    """Lay the minutes out for people."""
    lines = [("until s", "answered", "MiB", "CPU %", "kB written", "p50 ms", "p99 ms", "max ms")]
    lines += [
        (
            f"{minute.ended_at_s:,.0f}",
            f"{minute.answered:,}",
            f"{minute.memory_mib:.2f}",
            f"{minute.cpu_percent:.1f}",
            f"{minute.written_bytes / 1000:,.0f}",
            f"{minute.p50_ms:.2f}",
            f"{minute.p99_ms:.2f}",
            f"{minute.max_ms:.1f}",
        )
        for minute in run.minutes
    ]
    return columns(lines, text=())


def as_json(run: Run, ran_on: dict[str, str], command: str) -> str:
    """Write the same for programs, on one line."""
    verdicts = run.verdicts()
    return json.dumps(
        {
            "passed": all(verdict.passed for verdict in verdicts),
            "targets": [asdict(verdict) for verdict in verdicts],
            "rate": run.rate,
            "seconds": run.seconds,
            "sent": run.sent,
            "unanswered": run.lost,
            "latency_ms": {str(q): round(run.latency_ms(q), 3) for q in (0.5, 0.99, 0.999, 1.0)},
            "published_late_ms_max": round(run.late_ms, 3),
            "memory_mib_growth": round(run.growth_mib, 3),
            "written_bytes_per_day": round(run.written_bytes_per_day),
            "minutes": [asdict(minute) for minute in run.minutes],
            "ran_on": ran_on,
            "again": command,
        }
    )


@click.command(epilog="Example: python bench/steady.py --seconds 600 --folder /var/lib")
@click.option("--seconds", type=click.FloatRange(min=6), default=3600.0, show_default=True, help="How long.")
@click.option("--rate", type=click.IntRange(1, 5000), default=500, show_default=True, help="Messages a second.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(tempfile.gettempdir()),
    show_default=True,
    help="Where the daemon's state goes meanwhile; in memory (tmpfs) nothing counts as written.",
)
@click.option("--learner", default="LinearRegressor", show_default=True, help="Such as 'auto'.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(seconds: float, rate: int, folder: Path, learner: str, json_: bool) -> None:
    """Run the daemon for an hour at 500 messages a second, and watch memory, latency and the disk (Linux, mosquitto).

    Exits with 1 if a target is missed.
    """
    try:
        run = measure(rate, seconds, folder, learner)
    except EdgeDescentError as error:
        raise click.ClickException(f"{error} {error.hint or ''}".strip()) from error
    if sys.stderr.isatty():
        click.echo("\r\33[K", err=True, nl=False)
    ran_on = {**environment(LIBRARIES), "file system": filesystem(folder)}
    verdicts = run.verdicts()
    if json_:
        click.echo(as_json(run, ran_on, command_line()))
    else:
        click.echo(f"{run.sent:,} events at {rate} a second to {learner}, single, QoS 1, durability power\n")
        click.echo(as_table(run) + "\n")
        quantiles = ", ".join(f"p{100 * q:g} {run.latency_ms(q):.2f} ms" for q in (0.5, 0.99, 0.999))
        click.echo(f"from publishing to prediction: {quantiles}; published {run.late_ms:.1f} ms late at worst")
        click.echo(f"written a day at this pace: {run.written_bytes_per_day / 1e9:.2f} GB\n")
        for verdict in verdicts:
            click.echo(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.target}: {verdict.reached:,.2f}")
        click.echo("\nran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(verdict.passed for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
