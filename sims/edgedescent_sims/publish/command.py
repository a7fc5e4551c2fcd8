"""The command `edgedescent replay`: a data set or a scenario as a stream of events over MQTT."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from edgedescent.console.options import JSON, SETTINGS, Number, example
from edgedescent.console.terminal import Progress
from edgedescent.errors import ConfigError
from edgedescent_sims.options import CATEGORIES, COUNT_MAX, DROP, TIME
from edgedescent_sims.publish.interrupt import INTERRUPTED, stop_on_interrupt
from edgedescent_sims.sources import Source, open_source

if TYPE_CHECKING:
    from edgedescent_mqtt.client import Connection
    from edgedescent_sims.publish.stream import PublishReport

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OF_A_SCENARIO = ("speed", "config", "unanswered", "answer_timeout", "out")
_NOT_OF_A_SCENARIO = ("target", "drop", "categories", "time", "rate", "limit", "skip", "batch")


class Speed(click.ParamType[float | None]):
    """Parameter type of a factor on the pace of time, such as ``100x``; ``max`` is None, for no pace at all."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Convert a value; an invalid one ends the command with exit code 2."""
        if value == "max":
            return None
        try:
            factor = float(str(value).removesuffix("x"))
        except ValueError:
            factor = 0.0
        if 0.0 < factor < math.inf:
            return factor
        return self.fail(f"{value!r} is no speed: expected one like 100x, 1x or max.", param, ctx)


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent replay hour.csv.gz --to mqtt://localhost --target cnt --drop casual,registered",
        "edgedescent replay sign-flip --to mqtt://localhost --config device.toml --out sign-flip-on-the-device",
        "edgedescent replay my-scenario.toml --to mqtt://localhost --device bench-1 --speed 100x",
    ),
)
@click.argument("source")
@click.option("--to", "url", required=True, metavar="URL", help="The broker: mqtt://[user@]host[:port], or mqtts://.")
@click.option(
    "--topic", help="The topic to publish to.  [default: edgedescent/<device>/events; of a recording, its own]"
)
@click.option("--device", help="The device whose topic is published to.  [default: edge]")
@click.option("--target", metavar="COLUMN", help="The column to predict; a CSV or Parquet file needs it.")
@DROP
@CATEGORIES
@TIME
@click.option("--rate", type=Number(min=0, min_open=True), help="Events per second.  [default: unlimited]")
@click.option(
    "--speed",
    type=Speed(),
    help="Of a scenario: how much faster than its events arrive, such as 100x or 1x; max is as fast as the device "
    "answers.  [default: max]",
)
@click.option("--limit", type=click.IntRange(1, COUNT_MAX), help="Send at most this many events.")
@click.option("--skip", type=click.IntRange(0, COUNT_MAX), default=0, help="Pass over this many events at the start.")
@click.option(
    "--batch",
    type=click.IntRange(1, COUNT_MAX),
    default=1,
    show_default=True,
    help="Events per message, as an array.",
)
@click.option(
    "--qos", type=click.IntRange(0, 1), default=1, show_default=True, help="1: nothing is lost; 0: it may be."
)
@click.option(
    "--window",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="The most messages that the broker has not acknowledged.",
)
@click.option(
    "--config",
    type=_FILE,
    help="Of a scenario: configuration of the device, for its name and topics. Its learner also runs in memory, and "
    "must agree.",
)
@click.option(
    "--unanswered",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="Of a scenario: the most messages beyond the oldest one without an answer.",
)
@click.option(
    "--answer-timeout",
    type=Number(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Of a scenario: seconds to wait for the next answer.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of a scenario: folder for the JSON, the tables and the report.",
)
@click.option("--id-prefix", help="What stands before the row number in the event ids.  [default: the source's name]")
@click.option("--protocol", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@click.option("--username", help="The user name to log in with.")
@click.option("--password-file", type=_FILE, help="A file whose first line is the password.")
@click.option("--cafile", type=_FILE, help="The certificates to trust with mqtts://.  [default: the system's]")
@click.option("--certfile", type=_FILE, help="The certificate to show the broker.")
@click.option("--keyfile", type=_FILE, help="The private key of that certificate, not encrypted.")
@click.option(
    "--connect-timeout",
    type=Number(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait for a missing broker.",
)
@JSON
def replay(
    *,
    source: str,
    url: str,
    topic: str | None,
    device: str | None,
    target: str | None,
    drop: list[str],
    categories: list[str],
    time: str | None,
    protocol: Literal["5", "3.1.1"],
    username: str | None,
    password_file: Path | None,
    cafile: Path | None,
    certfile: Path | None,
    keyfile: Path | None,
    connect_timeout: float,
    as_json: bool,
    speed: float | None,
    config: Path | None,
    unanswered: int,
    answer_timeout: float,
    out: Path | None,
    **pace: Any,
) -> None:
    """Publish SOURCE as events over MQTT.

    SOURCE is a CSV file, a file of ratings (user::item::rating::time lines, or a CSV file with such columns; sent in
    time order), a recording by `edgedescent journal export`, each gzipped or not; a Parquet file; a device's state
    folder; a generator, such as SensorStream; or a River data set by name, such as ChickWeights.

    A recording is sent byte by byte as it was received, to its own topics unless --topic or --device is given.

    Columns of texts are sent as categories, the first column of times as hour, day of the week and month; a column of
    ids is left out with a notice, and so are empty cells. Event ids are the source's name and the row number, so a row
    has the same id each time it is sent.

    SOURCE may also be a scenario file, or a scenario of `edgedescent simulate --list`. Its events are published one a
    message, with their repeats, late labels and questions, and the answers of the device are scored as `simulate`
    scores those in memory. For a device that has learned nothing before and learns from nobody else, the scores are
    the same to the last bit. Ends with 1 if an answer is missing, or if one differs from that in memory.
    """
    # Imported here so that `edgedescent --help`, which loads this module, does not load paho.
    from edgedescent_mqtt.client import Connection, is_readable_by_all, read_password
    from edgedescent_mqtt.topics import require_level, require_topic
    from edgedescent_sims.publish import scenario_command
    from edgedescent_sims.sources.journal import JournalSource

    if password_file is not None and username is None and "@" not in url:
        raise ConfigError("A password is given without a user name.", hint="Add --username.")
    if keyfile is not None and certfile is None:
        raise ConfigError("A private key is given without its certificate.", hint="Add --certfile.")
    for secret in (password_file, keyfile or certfile):
        if secret is not None and is_readable_by_all(secret):
            _notify(f"Every user of this machine can read {secret}; chmod o-rwx mends that.")
    connection = Connection.from_url(
        url,
        protocol=protocol,
        username=username,
        password=read_password(password_file, "--password-file") if password_file else None,
        ca_file=cafile,
        cert_file=certfile,
        key_file=keyfile,
    )
    if scenario_command.is_scenario(source):
        scenario_command.refuse_others(click.get_current_context(), _NOT_OF_A_SCENARIO)
        report = scenario_command.run(
            source,
            connection,
            scenario_command.device_of(config, device, topic),
            out=out,
            as_json=as_json,
            speed=speed,
            id_prefix=pace["id_prefix"],
            qos=pace["qos"],
            window=pace["window"],
            unanswered_max=unanswered,
            answer_timeout_s=answer_timeout,
            connect_timeout_s=connect_timeout,
        )
        raise click.exceptions.Exit(INTERRUPTED if report.interrupted else int(scenario_command.is_failure(report)))
    scenario_command.refuse_others(click.get_current_context(), _OF_A_SCENARIO)
    stream = open_source(source, target=target, drop=drop, categories=categories, time=time, notify=_notify)
    if topic is not None:
        require_topic(topic, "--topic")
    elif device is not None or not isinstance(stream, JournalSource):
        topic = f"edgedescent/{require_level('edge' if device is None else device, '--device')}/events"
    published = _run(stream, connection, topic, connect_timeout, pace)
    _print(stream, connection, topic, published, as_json=as_json)
    if published.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _run(
    source: Source, connection: Connection, topic: str | None, connect_timeout_s: float, pace: dict[str, Any]
) -> PublishReport:
    from edgedescent_sims.publish.stream import publish
    from edgedescent_sims.sources.journal import JournalSource

    def total() -> int | None:
        length = source.n_messages() if isinstance(source, JournalSource) else source.length()
        return length if length is None else max(0, min(length - pace["skip"], pace["limit"] or length))

    with stop_on_interrupt() as interrupts, Progress(source.name, "events") as bar:
        return publish(
            source,
            connection,
            topic=topic,
            connect_timeout_s=connect_timeout_s,
            notify=_notify,
            on_progress=lambda events: bar.update(events, total),
            should_stop=lambda: bool(interrupts),
            **pace,
        )


def _print(source: Source, connection: Connection, topic: str | None, report: PublishReport, *, as_json: bool) -> None:
    where = topic or "their own topics"
    if summary := source.skipped_rows.summary():
        _notify(summary)
    if report.messages_unheard:
        _notify(f"Nobody was subscribed to {where} when {report.messages_unheard} of the messages arrived.")
    if report.interrupted:
        _notify(f"Interrupted: {report.events_sent} events were sent; --skip more by as many to go on.")
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(report))
    else:
        click.echo(
            f"Sent {report.events_sent:,} events in {report.messages_sent:,} messages to {where} "
            f"at {connection}: {report.seconds:.1f} s, {report.events_per_second:,.0f} events/s."
        )


def _notify(text: str) -> None:
    click.echo(text, err=True)
