"""`edgedescent init`: write a configuration for what is on a broker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgedescent.console.options import SETTINGS, Number, durations, example
from edgedescent.console.terminal import Progress, printable
from edgedescent.errors import ConfigError

if TYPE_CHECKING:
    from edgedescent.setup.grouping import InputPlan
    from edgedescent.setup.heard import Heard


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent init mqtt://localhost",
        "edgedescent init mqtt://home@broker.lan --password-file password --listen 300 --topics 'zigbee2mqtt/+'",
        "edgedescent init morning.jsonl --predict meter.power --horizon 1h --output device.toml",
    ),
)
@click.argument("source")
@click.option(
    "--listen", "seconds", type=Number(min=1, max=86_400), default=60.0, show_default=True, help="Seconds to listen."
)
@click.option("--topics", multiple=True, help="Topic filters to listen to.  [default: #]")
@click.option("--predict", help="Feature to predict, as it is listed; asked for where it is missing.")
@click.option(
    "--horizon",
    "horizons",
    multiple=True,
    callback=durations,
    help="How far ahead: 90s, 15m, 1h or 7d; several times for several models.  [default: 1h]",
)
@click.option("--device", default="device", show_default=True, help="Name of the device.")
@click.option("--username", help="User name at the broker.")
@click.option("--password-file", help="File whose first line is the password.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("device.toml"),
    show_default=True,
    help="The file to write; it must not exist.",
)
@click.option("--list", "list_only", is_flag=True, help="List what is heard, and write nothing.")
def init(
    source: str,
    seconds: float,
    topics: tuple[str, ...],
    predict: str | None,
    horizons: tuple[float, ...],
    device: str,
    username: str | None,
    password_file: str | None,
    output: Path,
    list_only: bool,
) -> None:
    """Write a configuration that learns from what is on a broker.

    SOURCE is the broker, mqtt://[user@]host[:port] or mqtts://, or a file that `edgedescent journal export` wrote. It
    listens, lists the topics with their formats, fields, rates and ranges, asks what to predict, tries on what it heard
    which derived features help, and writes the configuration with comments. Then it shows the newest feature vectors.
    Nothing is published.
    """
    from edgedescent.setup.heard import broker_table, recorded

    if not list_only and output.exists():
        raise ConfigError(f"{output} exists already.", "Give another name with --output, or remove it.")
    broker: dict[str, Any] = {}
    if Path(source).is_file():
        heard = recorded(Path(source))
    else:
        broker = broker_table(source)
        given = {"username": username, "password_file": password_file}
        broker |= {name: value for name, value in given.items() if value is not None}
        heard = _listen(device, broker, topics or ("#",), seconds)
    plans = _plans(heard)
    _list(plans)
    if not list_only:
        _write(plans, heard, broker, device, predict, horizons or (3600.0,), output)


def _listen(device: str, broker: dict[str, Any], topics: tuple[str, ...], seconds: float) -> list[Heard]:
    from edgedescent.config import Config, convert
    from edgedescent.setup.heard import listen

    config = convert({"device": device, "broker": broker}, Config)
    click.echo(f"Listening for {seconds:g} s to {', '.join(topics)} …", err=True)
    with Progress("Listening") as bar:
        return listen(config, topics, seconds, lambda passed, _count: bar.update(int(passed), int(seconds)))


def _plans(heard: list[Heard]) -> list[InputPlan]:
    from edgedescent.setup.grouping import grouped
    from edgedescent.setup.profiles import profiles
    from edgedescent.setup.stateful import stateful_profiles
    from edgedescent.setup.zone import local_zone

    together, others = stateful_profiles(heard)
    plans = grouped([*together, *profiles(others, local_zone())])
    if not plans:
        raise ConfigError(
            f"{len(heard)} messages were heard, and no number in them.",
            "Listen longer with --listen, or to other --topics.",
        )
    return plans


def _list(plans: list[InputPlan]) -> None:
    for plan in plans:
        form = plan.profiles[0].format
        kind = form if isinstance(form, str) else form["type"]
        times = ", with times" if plan.time else ""
        click.echo(printable(f"{plan.topic}  ({kind}{times}, {len(plan.profiles)} topics)"))
        for name, profile, one in plan.features():
            rate = "" if profile.interval_s is None else f", every {profile.interval_s:.3g} s"
            unit = f" {one.unit}" if one.unit else ""
            click.echo(printable(f"  {name}: {one.describe()}{unit}{rate}"))


def _write(
    plans: list[InputPlan],
    heard: list[Heard],
    broker: dict[str, Any],
    device: str,
    predict: str | None,
    horizons: tuple[float, ...],
    output: Path,
) -> None:
    from edgedescent.assembly import encode_row
    from edgedescent.setup.proposal import Proposal
    from edgedescent.setup.rehearsal import rehearsed, vectors
    from edgedescent.setup.zone import local_zone

    if predict is None:
        if not sys.stdin.isatty():
            raise click.UsageError("What is to be predicted? Nobody is here to answer: give --predict.")
        predict = click.prompt("What is to be predicted", err=True)
    notes = [f"Written by `edgedescent init` for what was heard on {len(heard)} messages."]
    proposal = Proposal(device, broker, plans, predict, horizons, local_zone(), notes=notes)
    with Progress("Trying what helps") as bar:
        proposal = rehearsed(proposal, heard, bar.update)
    rows = vectors(proposal, heard, 2)
    output.write_text(proposal.text(), encoding="utf-8")
    for row in rows:
        click.echo(printable(encode_row(row).decode()))
    click.echo(printable(f"{output} is written. Next: edgedescent check {output}; edgedescent run {output}"), err=True)
