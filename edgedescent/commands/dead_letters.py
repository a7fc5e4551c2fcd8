"""`edgedescent dead-letters`: what could not be used, and what to do about it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgedescent import config as configuration
from edgedescent.commands.common import CONFIG, JSON, SETTINGS, Progress, ask, example, moment, printable
from edgedescent.commands.journal import duration

if TYPE_CHECKING:
    from edgedescent.engine.messages import DeadLetter
    from edgedescent.state.dead_letters import Selection

SHOWN = 200
"""How much of a payload the list shows."""


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which letters are chosen."""
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
    """Look at the events that could not be used, send them again, or remove them."""


@dead_letters.command(
    "list", epilog=example("edgedescent dead-letters list device.toml --reason wrong_type --since 1d")
)
@CONFIG
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="How many to show.")
@selecting
@JSON
def list_(config: str, limit: int, as_json: bool, **chosen: Any) -> None:
    """Show the newest events that could not be used, and why."""
    from edgedescent.state.dead_letters import count_by_reason, find, id_of

    folder, selection = configuration.load(config).state.path, _selection(**chosen)
    letters = find(folder, selection, limit)
    for letter in letters:
        if as_json:
            click.echo(json.dumps(_record(letter)))
        else:
            # Error and topic may quote what came; the list keeps to a line of bearable length.
            line = f"{id_of(letter)}  {moment(letter.received_at)}  {letter.reason}  {letter.topic}  {letter.error}"
            click.echo(printable(line))
            click.echo(f"    {printable(letter.payload.decode(errors='replace')[:SHOWN])}")
    if as_json:
        return
    if not letters:
        click.echo("No dead letters.")
        return
    counts = count_by_reason(folder, selection)
    if sum(counts.values()) > len(letters):
        click.echo(f"{len(letters)} of {sum(counts.values())}: " + ", ".join(f"{n} {r}" for r, n in counts.items()))


@dead_letters.command(epilog=example("edgedescent dead-letters show device.toml 17.0"))
@CONFIG
@click.argument("letter_id", metavar="ID")
@JSON
def show(config: str, letter_id: str, as_json: bool) -> None:
    """Show the dead letter ID with its whole payload."""
    from edgedescent.errors import StateError
    from edgedescent.state.dead_letters import find, whole_payload

    folder = configuration.load(config).state.path
    letters = find(folder, _selection(None, None, None, None, (letter_id,)), 1)
    if not letters:
        raise StateError(f"There is no dead letter {letter_id}.", "See: edgedescent dead-letters list CONFIG")
    letter = letters[0]
    payload = whole_payload(folder, letter)
    if as_json:
        click.echo(json.dumps({**_record(letter, payload), "complete": payload is not None}))
        return
    record = _record(letter)
    record["received_at"] = moment(letter.received_at)
    del record["payload"]
    for name, value in record.items():
        click.echo(printable(f"{name:12} {value}"))
    click.echo(printable((payload or letter.payload).decode(errors="backslashreplace")))
    if payload is None:
        click.echo("(This is its beginning: the rest was not kept.)", err=True)


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
    """Send dead letters once more to the topic they came from, oldest first, where the daemon takes them as new.

    Those that the broker has confirmed are removed. Without ID or option, all are meant. One whose beginning only was
    kept, and whose message is no longer in the journal, stays where it is.
    """
    from edgedescent.commands.resend import resend

    loaded = configuration.load(config)
    selection = _selection(**chosen, ids=ids)

    def agree(count: int, topics: list[str]) -> Progress:
        ask(f"Publish {count} dead letters to {printable(', '.join(topics[:5]))}?", yes=yes)
        return Progress("Sending", count)

    report = resend(loaded, selection, agree)
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"{report['sent']} dead letters sent again and removed; {report['incomplete']} stay because they are not "
            f"complete, {report['refused']} because the broker refused them."
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
@click.option("--all", "everything", is_flag=True, help="All there are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def purge(config: str, ids: tuple[str, ...], everything: bool, yes: bool, as_json: bool, **chosen: Any) -> None:
    """Remove dead letters for good. Safe beside a running daemon; what the metrics have counted stays counted."""
    from edgedescent.state.dead_letters import count_by_reason
    from edgedescent.state.dead_letters import purge as remove

    if not (ids or everything or any(value is not None for value in chosen.values())):
        raise click.UsageError("Say which: give IDs, --reason, --topic, --since, --before or --all.")
    folder, selection = configuration.load(config).state.path, _selection(**chosen, ids=ids)
    count = sum(count_by_reason(folder, selection).values())
    if count:
        ask(f"Remove {count} dead letters for good?", yes=yes)
        count = remove(folder, selection)
    click.echo(json.dumps({"purged": count}) if as_json else f"{count} dead letters removed.")


def _record(letter: DeadLetter, payload: bytes | None = None) -> dict[str, Any]:
    from edgedescent.state.dead_letters import id_of

    return {
        "id": id_of(letter),
        "position": letter.position,
        "index": letter.index,
        "received_at": letter.received_at,
        "topic": letter.topic,
        "reason": letter.reason,
        "error": letter.error,
        "payload": (letter.payload if payload is None else payload).decode(errors="replace"),
    }
