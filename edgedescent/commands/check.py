"""`edgedescent check`: whether the daemon would work here, with this configuration and this broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from edgedescent import config as configuration
from edgedescent.commands.common import CONFIG, JSON, SETTINGS, example, load, printable

if TYPE_CHECKING:
    from edgedescent.findings import CheckResult


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent check device.toml", "edgedescent check --offline --json device.toml"),
)
@CONFIG
@click.option("--offline", is_flag=True, help="Look at the configuration only.")
@click.option("--no-publish", is_flag=True, help="Send nothing: leave out whether publishing is allowed.")
@JSON
def check(config: str, offline: bool, no_publish: bool, as_json: bool) -> None:
    """Check CONFIG, this machine and the broker; fails if the daemon would not work.

    It connects under a name of its own and leaves the daemon's session and queue as they are. To see whether
    publishing is allowed, it sends one empty message, not retained, to each topic that the daemon publishes to.
    """
    loaded = load(config)
    errors = 0
    for finding in _findings(loaded, config, offline=offline, publish=not no_publish):
        errors += finding.level == "error"
        if as_json:
            import msgspec

            click.echo(msgspec.json.encode(finding))
        else:
            click.echo(printable(str(finding)))
    if errors:
        raise click.exceptions.Exit(1)


def _findings(config: configuration.Config, path: str, *, offline: bool, publish: bool) -> Iterator[CheckResult]:
    from edgedescent.adapters import SupportsAdmin, load_adapter
    from edgedescent.daemon.preflight import checkup
    from edgedescent.findings import ok

    yield ok(
        "configuration", f"{path}: device {config.device!r}, {config.build_learner()!r}, state in {config.state.path}."
    )
    if offline:
        return
    yield from checkup(config)
    adapter: type[SupportsAdmin] = load_adapter(config.transport, "transport")
    yield from adapter.probe(
        configuration.convert(config.broker, adapter.Config, "broker"),
        device=config.device,
        topics=config.event_topics(),
        outputs=[config.topic(name) for name in configuration.OUTPUTS],
        bytes_max=config.limits.payload_bytes_max,
        publish=publish,
    )
