"""`edgedescent snapshots`: list the published snapshots."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import printable


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent snapshots device.toml"),
)
@CONFIG
@JSON
def snapshots(config: str, as_json: bool) -> None:
    """List the published snapshots, oldest first."""
    from edgedescent.snapshots.publish import FOLDER, list_snapshots

    model_cards = list_snapshots(Path(configuration.load(config).state.path) / FOLDER)
    for model_card in model_cards:
        if as_json:
            click.echo(json.dumps(model_card))
        else:
            mae = model_card["metrics"].get("mae")
            error = "" if mae is None else f"  mae {mae:.4g}"
            line = f"{model_card['created_at']}  message {model_card['position']}{error}  {model_card['path']}"
            click.echo(printable(line))
    if not model_cards and not as_json:
        click.echo("No snapshots.")
