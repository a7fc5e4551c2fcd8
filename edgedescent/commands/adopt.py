"""`edgedescent adopt`: let a device go on with the state of another one."""

from __future__ import annotations

import json

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import confirm, printable


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent adopt device.toml", "edgedescent adopt device.toml --yes"),
)
@CONFIG
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def adopt(config: str, yes: bool, as_json: bool) -> None:
    """Let the device of CONFIG go on with the state of another device in its state folder.

    The daemon refuses a state that another device has learned, because a wrong `state.path` or a copied configuration
    would look the same. Use this once after the device was renamed, or its state was copied from another one.
    """
    from edgedescent.state.adopt import adopt as take_over
    from edgedescent.state.adopt import owner_of

    loaded = configuration.load(config)
    folder, device = loaded.state.path, loaded.device
    before = owner_of(folder)
    if before != device:
        confirm(f"Let {device!r} go on with the state of {before!r} in {folder}?", yes=yes)
        take_over(folder, device)
    if as_json:
        click.echo(json.dumps({"device": device, "before": before}))
    else:
        line = f"The state in {folder} belongs to {device!r}" + (" already." if before == device else " now.")
        click.echo(printable(line))
