"""`edgedescent snapshots`: list and verify the published snapshots."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import printable


@click.group(
    context_settings=SETTINGS,
    epilog=example("edgedescent snapshots list device.toml", "edgedescent snapshots verify device.toml"),
)
def snapshots() -> None:
    """List or verify the published snapshots."""


def _folder(config: str) -> Path:
    from edgedescent.snapshots.publish import FOLDER

    return Path(configuration.load(config).state.path) / FOLDER


@snapshots.command("list", epilog=example("edgedescent snapshots list device.toml"))
@CONFIG
@JSON
def list_(config: str, as_json: bool) -> None:
    """List the published snapshots, oldest first, without those that are damaged."""
    from edgedescent.snapshots.publish import list_snapshots

    model_cards = list_snapshots(_folder(config))
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


@snapshots.command("verify", epilog=example("edgedescent snapshots verify device.toml"))
@CONFIG
@JSON
def verify(config: str, as_json: bool) -> None:
    """Compare each published snapshot with its SHA-256; exits with 1 if one is damaged.

    The next export writes the newest one again if it is damaged. Remove older ones that are.
    """
    from edgedescent.snapshots.publish import verify_snapshots

    results = verify_snapshots(_folder(config))
    for name, fault in results.items():
        if as_json:
            click.echo(json.dumps({"snapshot": name, "fault": fault}))
        else:
            click.echo(f"{name}: {'whole' if fault is None else f'damaged: {fault}'}")
    if not results and not as_json:
        click.echo("No snapshots.")
    if any(results.values()):
        click.get_current_context().exit(1)
