"""`edgedescent dead-letters`: list, show, replay and purge events that could not be used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, duration, example
from edgedescent.console.terminal import Progress, confirm, printable, timestamp

if TYPE_CHECKING:
    from edgedescent.state.dead_letters import Selection

SHOWN_BYTES = 200
"""Length to which the list cuts a payload."""


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select dead letters."""
    for option in (
        click.option("--before", callback=duration, help="Only those that are older than 90s, 15m, 6h or 7d."),
        click.option("--since", callback=duration, help="Only those of the last 90s, 15m, 6h or 7d."),
        click.option("--topic", help="Only those from one topic."),
        click.option("--reason", help="Only those of one reason, such as malformed."),
    ):
        command = option(command)
    return command


def _selection(
    reason: str | None, topic: str | None, since: float | None, before: float | None, ids: tuple[str, ...] = ()
) -> Selection:
    from edgedescent.state.dead_letters import Selection

    now = time.time()
    return Selection(
        ids=ids,
        reason=reason,
        topic=topic,
        since=None if since is None else now - since,
        before=None if before is None else now - before,
    )


@click.group(
    "dead-letters",
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent dead-letters list device.toml --reason wrong_type",
        "edgedescent dead-letters show device.toml 17.0",
    ),
)
def dead_letters() -> None:
    """Show the events that could not be used, publish them again, or remove them."""


@dead_letters.command(
    "list", epilog=example("edgedescent dead-letters list device.toml --reason wrong_type --since 1d")
)
@CONFIG
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="Number to show.")
@selecting
@JSON
def list_(config: str, limit: int, as_json: bool, **chosen: Any) -> None:
    """Show the newest events that could not be used, and why."""
    from edgedescent.state.dead_letters import count_by_reason, find, id_of, to_record

    folder, selection = configuration.load(config).state.path, _selection(**chosen)
    found = find(folder, selection, limit)
    for dead_letter in found:
        if as_json:
            click.echo(json.dumps(to_record(dead_letter)))
        else:
            fields = id_of(dead_letter), timestamp(dead_letter.received_at), dead_letter.reason, dead_letter.topic
            # The error and the topic may quote the payload.
            line = "  ".join((*fields, dead_letter.error))
            click.echo(printable(line))
            click.echo(f"    {printable(dead_letter.payload.decode(errors='replace')[:SHOWN_BYTES])}")
    if as_json:
        return
    if not found:
        click.echo("No dead letters.")
        return
    counts = count_by_reason(folder, selection)
    if sum(counts.values()) > len(found):
        click.echo(f"{len(found)} of {sum(counts.values())}: " + ", ".join(f"{n} {r}" for r, n in counts.items()))


@dead_letters.command(epilog=example("edgedescent dead-letters show device.toml 17.0"))
@CONFIG
@click.argument("dead_letter_id", metavar="ID")
@JSON
def show(config: str, dead_letter_id: str, as_json: bool) -> None:
    """Show the dead letter ID with its whole payload."""
    from edgedescent.errors import StateError
    from edgedescent.state.dead_letters import find, to_record, whole_payload

    folder = configuration.load(config).state.path
    found = find(folder, _selection(None, None, None, None, (dead_letter_id,)), 1)
    if not found:
        raise StateError(f"There is no dead letter {dead_letter_id}.", "See: edgedescent dead-letters list CONFIG")
    dead_letter = found[0]
    payload = whole_payload(folder, dead_letter)
    if as_json:
        click.echo(json.dumps({**to_record(dead_letter, payload), "complete": payload is not None}))
        return
    record = to_record(dead_letter)
    record["received_at"] = timestamp(dead_letter.received_at)
    del record["payload"]
    for name, value in record.items():
        click.echo(printable(f"{name:12} {value}"))
    click.echo(printable((payload or dead_letter.payload).decode(errors="backslashreplace")))
    if payload is None:
        click.echo("(This is only the beginning: the rest was not kept.)", err=True)


@dead_letters.command(
    epilog=example(
        "edgedescent dead-letters replay device.toml 17.0 18.0",
        "edgedescent dead-letters replay device.toml --reason out_of_range --yes",
    )
)
@CONFIG
@click.argument("ids", metavar="[ID]...", nargs=-1)
@selecting
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def replay(config: str, ids: tuple[str, ...], yes: bool, as_json: bool, **chosen: Any) -> None:
    """Publish dead letters again to the topics they came from, oldest first; the daemon receives them as new events.

    Those that the broker has confirmed are removed. Without an ID or option, all are published. One that was cut off,
    and whose message is no longer in the journal, is kept.
    """
    from edgedescent.state.dead_letters import find
    from edgedescent.state.resend import alone, resend

    loaded = configuration.load(config)
    folder = loaded.state.path
    report = {"sent": 0, "refused": 0, "incomplete": 0}
    with alone(folder):
        found = find(folder, _selection(**chosen, ids=ids))[::-1]
        if found:
            topics = sorted({dead_letter.topic for dead_letter in found})
            confirm(f"Publish {len(found)} dead letters to {printable(', '.join(topics[:5]))}?", yes=yes)
            with Progress("Sending") as bar:
                report = resend(folder, found, loaded.build_admin_client("dead-letters"), bar.update)
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"{report['sent']} dead letters published again and removed; {report['incomplete']} kept because they are "
            f"not complete, {report['refused']} because the broker refused them."
        )
    if report["refused"]:
        raise click.exceptions.Exit(1)


@dead_letters.command(
    epilog=example(
        "edgedescent dead-letters purge device.toml --reason malformed --before 7d",
        "edgedescent dead-letters purge device.toml --all --yes",
    )
)
@CONFIG
@click.argument("ids", metavar="[ID]...", nargs=-1)
@selecting
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def purge(config: str, ids: tuple[str, ...], everything: bool, yes: bool, as_json: bool, **chosen: Any) -> None:
    """Remove dead letters permanently. Safe beside a running daemon; the counts in the metrics stay."""
    from edgedescent.state.dead_letters import count_by_reason
    from edgedescent.state.dead_letters import purge as remove

    if not (ids or everything or any(value is not None for value in chosen.values())):
        raise click.UsageError("Say which: give IDs, --reason, --topic, --since, --before or --all.")
    folder, selection = configuration.load(config).state.path, _selection(**chosen, ids=ids)
    count = sum(count_by_reason(folder, selection).values())
    if count:
        confirm(f"Remove {count} dead letters for good?", yes=yes)
        count = remove(folder, selection)
    click.echo(json.dumps({"purged": count}) if as_json else f"{count} dead letters removed.")
