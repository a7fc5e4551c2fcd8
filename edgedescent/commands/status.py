"""`edgedescent status`: show the state and the metrics of the running daemon."""

from __future__ import annotations

import json
from typing import Any

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import timestamp

_IN_SUMMARY = ("pid", "connected", "age_s", "time", "device", "state", "since", "version", "config_sha256")
"""Fields that are printed in the first two lines, or not at all."""


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent status device.toml", "edgedescent status device.toml --json | jq .mae"),
)
@CONFIG
@JSON
def status(config: str, as_json: bool) -> None:
    """Show the state and the metrics of the running daemon.

    Fails if none runs or if it has not reported for three intervals of `metrics.interval_s`: fit for a health check.
    """
    from edgedescent.daemon.status import read_status

    found = read_status(configuration.load(config))
    found["config_changed"] = found.get("config_sha256") != configuration.checksum(config)
    if as_json:
        click.echo(json.dumps(found))
        return
    connected = "connected" if found.get("connected") else "not connected"
    click.echo(f"Process {found['pid']}, {connected}, reported {found['age_s']:.0f} s ago.")
    if "state" in found:
        click.echo(f"State {found['state']} since {timestamp(found['since'])}, version {found['version']}.")
    if found.pop("config_changed"):
        click.echo("The configuration file has changed since the daemon started: restart it to have that take effect.")
    horizons = found.pop("horizons", {})
    _list({name: value for name, value in found.items() if name not in _IN_SUMMARY})
    for horizon, metrics in horizons.items():
        click.echo(f"{horizon} s ahead:")
        _list(metrics)


def _list(metrics: dict[str, Any]) -> None:
    for name, value in metrics.items():
        click.echo(f"  {name:24} {value:.6g}" if isinstance(value, float) else f"  {name:24} {value}")
