"""`edgedescent migrate`: carry a learned state over to other hyper-parameters."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, example
from edgedescent.console.terminal import Progress, confirm, printable


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent migrate device.toml --dry-run",
        "edgedescent migrate device.toml",
        "edgedescent migrate device.toml --yes --json",
    ),
)
@CONFIG
@click.option("--dry-run", is_flag=True, help="Say what would be carried over; write nothing. The daemon may run.")
@click.option("--no-backup", is_flag=True, help="Keep no copy of the state in the state folder.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def migrate(config: str, dry_run: bool, no_backup: bool, yes: bool, as_json: bool) -> None:
    """Carry the state that was learned with other parameters over to the `[learner]` of CONFIG.

    Rates, penalties and the like take effect from the next message on; tables grow; another optimizer starts with the
    weights of the former one. What cannot be carried over is said, and then nothing is written. Stop the daemon first.
    """
    from edgedescent.daemon.migration import migration_of

    migration = migration_of(configuration.load(config))
    plan = migration.plan()
    if not as_json:
        for line in migration.lines(plan):
            click.echo(printable(line))
    written = bool(plan.notes) and plan.is_possible and not dry_run
    copy: Path | None = None
    if written:
        confirm(f"Write this to {migration.folder}?", yes=yes)
        copy = None if no_backup else migration.free_name(plan)
        with Progress("Copying the state", "pages") as progress:
            plan = migration.carry_out(copy, progress.update)
    if as_json:
        answer = {
            "position": plan.position,
            "possible": plan.is_possible,
            "written": written,
            "backup": None if copy is None else str(copy),
            "answers_unsent": plan.unsent,
            "notes": [{"outcome": each.outcome, "parameter": each.parameter, "text": each.text} for each in plan.notes],
        }
        click.echo(json.dumps(msgspec.to_builtins(answer)))
    elif written:
        click.echo(printable(migration.done(plan, copy)))
    if not plan.is_possible:
        raise click.exceptions.Exit(1)
