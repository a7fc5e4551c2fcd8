"""`edgedescent replay`: a data set as a stream of events over MQTT."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, get_args

import click

from edgedescent.commands.common import JSON, SETTINGS, Number, example
from edgedescent.errors import ConfigError
from edgedescent_sims.options import COUNT_MAX, DROP
from edgedescent_sims.publish.connection import Connection, Protocol, read_password
from edgedescent_sims.sources import Source, open_source

if TYPE_CHECKING:
    from edgedescent_sims.publish.publish import PublishReport

_INTERRUPTED = 130
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent replay hour.csv.gz --to mqtt://localhost --target cnt --drop casual,registered",
    ),
)
@click.argument("source")
@click.option("--to", "url", required=True, metavar="URL", help="The broker: mqtt://[user@]host[:port], or mqtts://.")
@click.option(
    "--topic", help="The topic to publish to.  [default: edgedescent/<device>/events; of a recording, its own]"
)
@click.option("--device", help="The device whose topic is published to.  [default: edge]")
@click.option("--target", metavar="COLUMN", help="The column to predict; a CSV file needs it.")
@DROP
@click.option("--rate", type=Number(min=0, min_open=True), help="Events per second.  [default: unlimited]")
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
@click.option("--id-prefix", help="What stands before the row number in the event ids.  [default: the source's name]")
@click.option("--protocol", type=click.Choice(get_args(Protocol)), default="5", show_default=True)
@click.option("--username", help="The user name to log in with.")
@click.option("--password-file", type=_FILE, help="A file whose first line is the password.")
@click.option("--cafile", type=_FILE, help="The certificates to trust with mqtts://.  [default: the system's]")
@click.option("--certfile", type=_FILE, help="The certificate to show the broker.")
@click.option("--keyfile", type=_FILE, help="The private key of that certificate.")
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
    id_prefix: str | None,
    protocol: Protocol,
    username: str | None,
    password_file: Path | None,
    cafile: Path | None,
    certfile: Path | None,
    keyfile: Path | None,
    connect_timeout: float,
    as_json: bool,
    **pace: Any,
) -> None:
    """Publish SOURCE as events over MQTT.

    SOURCE is a CSV file, a file of user::item::rating::time lines (sent in time order), a recording by
    `edgedescent journal export`, each gzipped or not, or a River data set by name, such as ChickWeights.

    A recording is sent byte by byte as it was received, to its own topics unless --topic or --device is given.

    Columns that do not hold numbers are dropped with a notice; empty cells are left out. Event ids are the
    source's name and the row number, so a row has the same id each time it is sent.
    """
    connection = Connection.from_url(
        url,
        protocol=protocol,
        username=username,
        password=read_password(password_file) if password_file else None,
        cafile=cafile,
        certfile=certfile,
        keyfile=keyfile,
    )
    stream = open_source(source, target=target, drop=drop, id_prefix=id_prefix, notify=_tell)
    if topic is None and (device is not None or stream.kind != "recorded"):
        topic = _topic_of("edge" if device is None else device)
    report = _run(stream, connection, topic, connect_timeout, pace)
    _print(stream, connection, topic, report, as_json=as_json)
    if report.interrupted:
        raise click.exceptions.Exit(_INTERRUPTED)


def _run(
    source: Source, connection: Connection, topic: str | None, connect_timeout_s: float, pace: dict[str, Any]
) -> PublishReport:
    # Imported here so that `edgedescent --help`, which loads this module, does not load paho.
    from edgedescent_sims.publish.progress import ProgressBar
    from edgedescent_sims.publish.publish import publish

    def total() -> int | None:
        length = source.length()
        return length if length is None else max(0, min(length - pace["skip"], pace["limit"] or length))

    with _stop_on_interrupt() as stopped, ProgressBar(source.name, total) as bar:
        return publish(
            source,
            connection,
            topic=topic,
            connect_timeout_s=connect_timeout_s,
            notify=_tell,
            on_progress=bar.update,
            should_stop=lambda: bool(stopped),
            **pace,
        )


@contextmanager
def _stop_on_interrupt() -> Iterator[list[int]]:
    """Turn the first Ctrl-C into an entry of the list that is yielded; a second one interrupts at once."""
    stopped: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stopped
    except KeyboardInterrupt:
        raise click.exceptions.Exit(_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _print(source: Source, connection: Connection, topic: str | None, report: PublishReport, *, as_json: bool) -> None:
    where = topic or "their own topics"
    if summary := source.omissions.summary():
        _tell(summary)
    if report.messages_unheard:
        _tell(f"Nobody was subscribed to {where} when {report.messages_unheard} of the messages arrived.")
    if report.interrupted:
        _tell(f"Interrupted: {report.events_sent} events were sent; --skip more by as many to go on.")
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(report))
    else:
        click.echo(
            f"Sent {report.events_sent:,} events in {report.messages_sent:,} messages to {where} "
            f"at {connection}: {report.seconds:.1f} s, {report.events_per_second:,.0f} events/s."
        )


def _topic_of(device: str) -> str:
    if not device or any(sign in device for sign in "/+#\0"):
        raise ConfigError(f"{device!r} is not a device name.", hint="It is one level of a topic, without / + and #.")
    return f"edgedescent/{device}/events"


def _tell(text: str) -> None:
    click.echo(text, err=True)
