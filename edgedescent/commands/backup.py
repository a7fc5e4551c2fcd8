"""`edgedescent backup`: copy the state beside a running daemon."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import Progress, printable


@click.command(
    context_settings=SETTINGS,
    epilog=example("edgedescent backup device.toml /mnt/backup/pump-7.db"),
)
@CONFIG
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@JSON
def backup(config: str, target: Path, as_json: bool) -> None:
    """Copy the state, as it is at this moment, to the new file TARGET.

    Works beside a running daemon and without one. To restore it, stop the daemon, move its state folder away, make a
    new one, and put the copy into it under the name edgedescent.db.
    """
    from edgedescent.state.backup import backup as copy

    with Progress("Copying") as bar:
        size = copy(configuration.load(config).state.path, target, bar.update)
    if as_json:
        click.echo(json.dumps({"path": str(target), "bytes": size}))
    else:
        click.echo(printable(f"{target}: {size} bytes, complete and checked."))
