"""`edgedescent snapshots`: those that were published."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent import config as configuration
from edgedescent.commands.common import CONFIG, JSON, SETTINGS, example


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent snapshots device.toml"),
)
@CONFIG
@JSON
def snapshots(config: str, as_json: bool) -> None:
    """List the published snapshots, oldest first."""
    from edgedescent import snapshots as published

    cards = published.snapshots(Path(configuration.load(config).state.path) / published.FOLDER)
    for card in cards:
        if as_json:
            click.echo(json.dumps(card))
        else:
            mae = card["metrics"].get("mae")
            error = "" if mae is None else f"  mae {mae:.4g}"
            click.echo(f"{card['created_at']}  message {card['position']}{error}  {card['path']}")
    if not cards and not as_json:
        click.echo("No snapshots.")
