"""Let our daemon, mosquitto_sub and a paho + River script drain the same backlog, and compare their speed."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path

import click
import msgspec
from backlog import BacklogBroker, publish
from consumers import (
    N_TOPICS,
    TOPICS,
    Consumer,
    Drained,
    Load,
    MosquittoSub,
    OurDaemon,
    OurDaemonProcess,
    OurFusion,
    RiverScript,
)
from harness import columns, command_line, environment
from streams import regression

from edgedescent.errors import EdgeDescentError

N_FEATURES = 10
ARRAY = 100
WARM_UP_MESSAGES = 200
LIBRARIES = ("edgedescent", "paho-mqtt", "msgspec", "numpy")


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    kind: type[Consumer]
    qos: int
    events_per_message: float = 1

    def __str__(self) -> str:
        return f"{self.name}, QoS {self.qos}{', arrays' if self.events_per_message > 1 else ''}"


SUB = [Case("mosquitto_sub", MosquittoSub, qos) for qos in (0, 1)]
SCRIPT = [Case("paho + River script", RiverScript, qos) for qos in (0, 1)]
OURS = [Case("EdgeDescent, power", OurDaemon, qos) for qos in (0, 1)]
OURS_PROCESS = [Case("EdgeDescent, process", OurDaemonProcess, qos) for qos in (0, 1)]
ARRAYS = [Case(case.name, case.kind, case.qos, ARRAY) for case in (*OURS, *OURS_PROCESS)]
FUSED = Case(f"EdgeDescent, {N_TOPICS} topics", OurFusion, 1, 1 / N_TOPICS)
CASES = [*SUB, *SCRIPT, *OURS, *OURS_PROCESS, *ARRAYS, FUSED]


@dataclass(frozen=True)
class Target:
    """At least how fast `case` must be: in multiples of another, or in events a second where there is no other."""

    case: Case
    at_least: float
    other: Case | None = None

    def __str__(self) -> str:
        unit = f"times {self.other}" if self.other else "events/s"
        return f"{self.case}: at least {self.at_least:,g} {unit}"


TARGETS = [
    Target(OURS[0], 0.5, SUB[0]),
    Target(OURS[1], 0.7, SUB[1]),
    Target(OURS[1], 2.0, SCRIPT[1]),
    Target(ARRAYS[0], 250_000),
    Target(ARRAYS[1], 250_000),
]
MEMORY_MIB_MAX = 60.0
FUSED_CPU_MAX = 1.5
"""Processor time of a number of many topics, at most in multiples of that of a whole event."""


@dataclass
class Result:
    """Measurements of one case."""

    case: Case
    runs: list[Drained] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median over the runs of a field of `Drained`."""
        values: list[float] = [getattr(run, name) for run in self.runs]
        return statistics.median(values)

    @property
    def messages_per_s(self) -> float:
        """The median."""
        return self.median("messages_per_s")

    @property
    def events_per_s(self) -> float:
        """The same in events."""
        return self.messages_per_s * self.case.events_per_message

    @property
    def memory_mib(self) -> float:
        """The most that any run held."""
        return max(run.memory_mib for run in self.runs)


@dataclass(frozen=True)
class Verdict:
    """A target and what was reached."""

    target: str
    reached: float
    passed: bool


# --- Measuring ----------------------------------------------------------------------------------------------------


def numbers(n_messages: int) -> list[bytes]:
    """Make bare numbers of five digits for the topics in turn, those of a label and its features."""
    stream = regression(N_TOPICS - 1, min(-(-n_messages // N_TOPICS), 100_000))
    events = cycle([*x.values(), y] for x, y in stream)
    return [b"%.5g" % value for value in islice(chain.from_iterable(events), n_messages)]


def payloads(n_messages: int, events_per_message: int) -> list[bytes]:
    """Make messages of events with ten features of five digits each, as sensors tell them, about 270 bytes an event."""
    n_events = n_messages * events_per_message
    stream = regression(N_FEATURES, min(n_events, 100_000))
    encode = msgspec.json.Encoder().encode
    parts = []
    for i in range(n_events):
        x, y = stream[i % len(stream)]
        short = {name: float(f"{value:.5g}") for name, value in x.items()}
        parts.append({"id": f"event-{i}", "x": short, "y": float(f"{y:.5g}")})
    if events_per_message == 1:
        return [encode(part) for part in parts]
    events = iter(parts)
    return [encode(list(islice(events, events_per_message))) for _ in range(n_messages)]


def load(n_messages: int, events_per_message: float) -> Load:
    count = round(WARM_UP_MESSAGES / events_per_message) + n_messages
    if events_per_message < 1:
        made = numbers(count)
        return Load(made[:-n_messages], made[-n_messages:], TOPICS)
    made = payloads(count, round(events_per_message))
    return Load(made[:-n_messages], made[-n_messages:])


def drain(case: Case, load: Load, folder: Path) -> Drained:
    """Measure a case once, with a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="edgedescent-bench-", dir=folder) as own,
        BacklogBroker() as broker,
        case.kind(Path(own), broker.port, case.qos, load) as consumer,
    ):
        broker.wait_for_subscription(consumer.client_id)
        return consumer.drain(lambda messages: publish(broker.port, load.topics, messages), broker.pid)


def measure(cases: Sequence[Case], runs: int, n_messages: int, n_arrays: int, folder: Path) -> list[Result]:
    """Measure the cases in turn, `runs` times: A B C A B C …, so that a slow spell meets them all."""
    sizes = {case.events_per_message for case in cases}
    loads = {size: load(n_arrays if size > 1 else n_messages, size) for size in sizes}
    results = [Result(case) for case in cases]
    for run in range(runs):
        for result in results:
            if sys.stderr.isatty():
                click.echo(f"\r\33[Krun {run + 1} of {runs}: {result.case}", err=True, nl=False)
            result.runs.append(drain(result.case, loads[result.case.events_per_message], folder))
    if sys.stderr.isatty():
        click.echo("\r\33[K", err=True, nl=False)
    return results


def judge(results: Sequence[Result]) -> list[Verdict]:
    """Hold the targets against the medians; those of which a side was not measured are left out."""
    found = {result.case: result for result in results}
    verdicts = []
    for target in TARGETS:
        ours, other = found.get(target.case), found.get(target.other) if target.other else None
        if ours is None or (target.other and other is None):
            continue
        reached = ours.messages_per_s / other.messages_per_s if other else ours.events_per_s
        verdicts.append(Verdict(str(target), reached, reached >= target.at_least))
    plain, fused = found.get(OURS[FUSED.qos]), found.get(FUSED)
    if plain and fused:
        ratio = fused.median("cpu_us_per_message") / plain.median("cpu_us_per_message")
        target = f"{FUSED}: at most {FUSED_CPU_MAX:g} times the processor time of {plain.case}"
        verdicts.append(Verdict(target, ratio, ratio <= FUSED_CPU_MAX))
    memory = [result.memory_mib for result in results if issubclass(result.case.kind, OurDaemon)]
    if memory:
        verdicts.append(
            Verdict(f"EdgeDescent: below {MEMORY_MIB_MAX:g} MiB", max(memory), max(memory) < MEMORY_MIB_MAX)
        )
    return verdicts


# --- Output -------------------------------------------------------------------------------------------------------


def as_table(results: Sequence[Result]) -> str:
    """Lay the results out for people."""
    head = ("consumer", "QoS", "events/message", "messages/s", "min", "max", "of sub's", "events/s")
    lines = [(*head, "CPU µs/message", "broker's", "MiB")]
    sub = {(case.case.qos, 1): case.messages_per_s for case in results if case.case.kind is MosquittoSub}
    for result in results:
        case, speeds = result.case, [run.messages_per_s for run in result.runs]
        peer = sub.get((case.qos, case.events_per_message))
        lines.append(
            (
                case.name,
                str(case.qos),
                f"{case.events_per_message:g}",
                f"{result.messages_per_s:,.0f}",
                f"{min(speeds):,.0f}",
                f"{max(speeds):,.0f}",
                f"{result.messages_per_s / peer:.2f}" if peer else "",
                f"{result.events_per_s:,.0f}",
                f"{result.median('cpu_us_per_message'):,.1f}",
                f"{result.median('broker_us_per_message'):,.1f}",
                f"{result.memory_mib:.1f}",
            )
        )
    return columns(lines)


def as_json(
    results: Sequence[Result],
    verdicts: Sequence[Verdict],
    skipped: Sequence[str],
    ran_on: dict[str, str],
    command: str,
) -> str:
    """Write the same for programs, on one line."""
    cases = [
        {
            "consumer": result.case.name,
            "qos": result.case.qos,
            "events_per_message": result.case.events_per_message,
            "messages_per_s": round(result.messages_per_s, 1),
            "events_per_s": round(result.events_per_s, 1),
            "cpu_us_per_message": round(result.median("cpu_us_per_message"), 2),
            "broker_us_per_message": round(result.median("broker_us_per_message"), 2),
            "memory_mib": round(result.memory_mib, 1),
            "runs": [asdict(run) for run in result.runs],
        }
        for result in results
    ]
    return json.dumps(
        {
            "passed": all(verdict.passed for verdict in verdicts),
            "targets": [asdict(verdict) for verdict in verdicts],
            "skipped": list(skipped),
            "ran_on": ran_on,
            "again": command,
            "cases": cases,
        },
        ensure_ascii=False,
    )


def filesystem(folder: Path) -> str:
    """The kind of file system that a folder is on: on tmpfs, syncing to disk costs nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


@click.command(epilog="Example: python bench/daemon.py --runs 5")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Interleaved runs.")
@click.option("--messages", type=click.IntRange(min=1000), default=100_000, show_default=True, help="Single events.")
@click.option("--arrays", type=click.IntRange(min=100), default=5000, show_default=True, help="Arrays of 100 events.")
@click.option("--only", default="", help="Only the consumers whose name holds this text, such as 'power, QoS 1'.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(tempfile.gettempdir()),
    show_default=True,
    help="Where the daemon's state goes meanwhile; it should lie on the kind of disk you would use.",
)
@click.option("--quick", is_flag=True, help="1 run of 20,000 messages: a smoke test, not a figure to quote.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(runs: int, messages: int, arrays: int, only: str, folder: Path, quick: bool, json_: bool) -> None:
    """Let our daemon, mosquitto_sub and a paho + River script drain the same backlog (Linux, with mosquitto).

    Exits with 1 if a target is missed. What is not installed is skipped, with the reason.
    """
    if quick:
        runs, messages, arrays = 1, 20_000, 1000
    chosen = [case for case in CASES if only.lower() in str(case).lower()]
    if not chosen:
        raise click.ClickException(f"No consumer holds {only!r}. There are: {'; '.join(map(str, CASES))}")
    skipped = [f"{case}: {case.kind.missing()}" for case in chosen if case.kind.missing()]
    chosen = [case for case in chosen if not case.kind.missing()]
    try:
        results = measure(chosen, runs, messages, arrays, folder)
    except EdgeDescentError as error:
        raise click.ClickException(f"{error} {error.hint or ''}".strip()) from error
    verdicts = judge(results)
    ran_on = {**environment(LIBRARIES), "file system": filesystem(folder)}
    if json_:
        click.echo(as_json(results, verdicts, skipped, ran_on, command_line()))
    else:
        click.echo(f"draining a backlog of {messages:,} messages, medians of {runs} interleaved runs\n")
        click.echo(as_table(results) + "\n")
        for verdict in verdicts:
            reached = f"{verdict.reached:,.{0 if verdict.reached > 1000 else 2}f}"
            click.echo(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.target}: {reached}")
        for reason in skipped:
            click.echo(f"skipped  {reason}")
        click.echo("\nran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(verdict.passed for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
