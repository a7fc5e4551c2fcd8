"""`edgedescent export`: export a snapshot now."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import printable


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent export device.toml"),
)
@CONFIG
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="A folder other than the state's.")
@JSON
def export(config: str, output: Path | None, as_json: bool) -> None:
    """Export the newest state as a snapshot, checked against the live model. Of several horizons, each is one.

    Works beside a running daemon and without one.
    """
    from edgedescent.snapshots.export import export_snapshots

    model_cards = export_snapshots(configuration.load(config), output)
    if as_json:
        click.echo(json.dumps(model_cards if len(model_cards) > 1 else model_cards[0]))
        return
    for model_card in model_cards:
        parity = model_card["parity"]
        line = (
            f"{model_card['path']}: message {model_card['position']}, {model_card['bytes']} bytes, agrees with the "
            f"live model on {parity['events']} events (largest relative difference {parity['max_rel_diff']:.2g})."
        )
        click.echo(printable(line))
