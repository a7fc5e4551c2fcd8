"""`edgedescent check`: check the configuration, this machine and the broker before the daemon runs."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, Number, example
from edgedescent.console.terminal import printable
from edgedescent.interfaces import CheckResult, ok


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent check device.toml",
        "edgedescent check --listen 10 device.toml",
        "edgedescent check --offline --json device.toml",
    ),
)
@CONFIG
@click.option("--offline", is_flag=True, help="Check the configuration only.")
@click.option("--no-publish", is_flag=True, help="Send nothing: do not check that publishing is allowed.")
@click.option(
    "--listen",
    "listen_s",
    type=Number(min=0, min_open=True, max=86_400),
    metavar="SECONDS",
    help="Listen so long to the topics of the events, and say how many messages are events, and why others are not.",
)
@JSON
def check(config: str, offline: bool, no_publish: bool, listen_s: float | None, as_json: bool) -> None:
    """Check CONFIG, this machine and the broker; fails if the daemon would not work.

    It connects under a name of its own and leaves the daemon's session and queue as they are. To check that publishing
    is allowed, it sends one empty message, not retained, to each topic that the daemon publishes to.
    """
    if offline and listen_s is not None:
        raise click.UsageError("--listen needs the broker: leave --offline out.")
    loaded = configuration.load(config, check_adapters=True)
    errors = 0
    for result in _results(loaded, config, offline=offline, publish=not no_publish, listen_s=listen_s):
        errors += result.level == "error"
        if as_json:
            click.echo(msgspec.json.encode(result))
        else:
            click.echo(printable(str(result)))
    if errors:
        raise click.exceptions.Exit(1)


def _results(
    config: configuration.Config, path: str, *, offline: bool, publish: bool, listen_s: float | None
) -> Iterator[CheckResult]:
    from edgedescent.daemon.listening import listen
    from edgedescent.daemon.preflight import check_exporter, preflight

    yield ok(
        "configuration", f"{path}: device {config.device!r}, {config.build_learner()!r}, state in {config.state.path}."
    )
    yield from check_exporter(config)
    if not offline:
        yield from preflight(config, path)
        yield from config.check_broker(publish=publish)
        if listen_s is not None:
            yield from listen(config, listen_s)
