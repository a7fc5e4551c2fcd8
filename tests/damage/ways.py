"""Ways on which a state folder is read: every command, called as the command line calls it, or what it calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self
from unittest import mock

import click.testing

from damage.lives import END, Lives, config_path
from edgedescent import config as configuration
from edgedescent.cli import cli
from edgedescent.config import Config
from edgedescent.daemon.dry_run import dry_run
from edgedescent.errors import ConfigError
from edgedescent.interfaces import Delivery
from edgedescent.state import recording
from edgedescent.state.lock import FILE as LOCK_FILE
from edgedescent.state.lock import FolderLock
from edgedescent.state.store import FILE
from edgedescent_sims.simulate.journals import open_journal
from edgedescent_sims.sources.journal import JournalSource


class WrongError(Exception):
    """A command said something wrong without a word."""


class FakeReply:
    """Consent of a broker."""

    is_failure = False


class FakeAdminClient:
    """Client that records what it is to publish, and receives nothing."""

    published: ClassVar[list[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def subscribe(self, filters: Sequence[str]) -> dict[str, FakeReply]:
        return {name: FakeReply() for name in filters}

    def poll(self, _timeout_s: float) -> list[Delivery]:
        return []

    def publish_all(
        self, messages: Sequence[tuple[str, bytes]], _on_progress: Callable[[int], None]
    ) -> list[FakeReply]:
        self.published += [payload for _, payload in messages]
        return [FakeReply()] * len(messages)


class Folder:
    """A damaged state folder on which commands are called.

    Args:
        lives: The lives of its device.
        path: The folder.
        said: Lines that were logged.
    """

    def __init__(self, lives: Lives, path: Path, said: list[str]) -> None:
        self.lives, self.path, self.said = lives, path, said
        self.config: Config = lives.config(path)

    def call(self, *arguments: str) -> str | None:
        """Call a command; returns its output, None if it ended with an error in one line.

        Raises:
            WrongError: If it ended otherwise.
        """
        runner = click.testing.CliRunner()
        result = runner.invoke(cli, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if "Traceback" in result.output or "Logging error" in result.output:
            raise WrongError(result.output[-2000:])
        if result.exit_code == 0:
            return result.stdout
        lines = result.stderr.strip().splitlines()
        if len(lines) != 1 and not (not lines and result.stdout):
            raise WrongError(f"{len(lines)} lines of errors: {lines}")
        self.said.append(f"{arguments[0]}: {(lines or [result.stdout])[-1]}")
        return None

    @property
    def toml(self) -> str:
        """Path of the configuration."""
        return str(config_path(self.path))


def journal_export(folder: Folder) -> None:
    """All lines must be messages as they were sent, and what is missing must be said."""
    before = len(folder.said)
    output = folder.call("journal", "export", folder.toml)
    if output is None:
        return
    known = folder.lives.messages
    found = [recording.from_line(line) for line in output.splitlines()]
    for message in found:
        if not 0 < message.position <= len(known) or message != known[message.position - 1]:
            raise WrongError(f"message {message.position} is not the one that was received: {message}")
    # Where it begins is no fault: the journal is trimmed.
    whole = set(range(found[0].position if found else END, END + 1))
    if whole - {m.position for m in found} and len(folder.said) == before:
        raise WrongError(f"{len(found)} messages were exported, the others left out without a word")


def journal_csv(folder: Folder) -> None:
    folder.call("journal", "export", folder.toml, "--format", "csv", "--from", "30", "--to", "90")


def journal_info(folder: Folder) -> None:
    before = len(folder.said)
    output = folder.call("journal", "info", folder.toml, "--json")
    folder.call("journal", "info", folder.toml)
    if output is not None:
        found = json.loads(output)
        if found["last"] > len(folder.lives.messages) or not 0 <= found["first"] <= len(folder.lives.messages):
            raise WrongError(f"the journal reaches from {found['first']} to {found['last']}")
        if found["last"] < len(folder.lives.messages) and len(folder.said) == before:
            raise WrongError(f"the journal ends at {found['last']} without a word")


def dead_letters(folder: Folder) -> None:
    """Those that are shown must be as they were."""
    folder.call("dead-letters", "list", folder.toml)
    output = folder.call("dead-letters", "list", folder.toml, "--limit", "1000", "--json")
    if output is None:
        return
    for number, line in enumerate(output.splitlines()):
        found = json.loads(line)
        if found not in folder.lives.dead_letters:
            raise WrongError(f"a dead letter is shown that never was: {found}")
        if number < 2:
            folder.call("dead-letters", "show", folder.toml, found["id"])


def dead_letters_replay(folder: Folder) -> None:
    """Nothing may be published that was not received."""
    FakeAdminClient.published.clear()
    with mock.patch.object(Config, "build_admin_client", return_value=FakeAdminClient()):
        folder.call("dead-letters", "replay", folder.toml, "--reason", "wrong_type", "--yes", "--json")
    known = {each["payload"] for each in folder.lives.dead_letters}
    for payload in FakeAdminClient.published:
        if payload.decode(errors="replace") not in known:
            raise WrongError(f"a dead letter was published that never was: {payload!r}")


def dead_letters_purge(folder: Folder) -> None:
    folder.call("dead-letters", "purge", folder.toml, "--reason", "malformed", "--yes", "--json")


def check(folder: Folder) -> None:
    with mock.patch.object(Config, "check_broker", return_value=iter(())):
        folder.call("check", folder.toml)


def status(folder: Folder) -> None:
    folder.call("status", folder.toml)
    path = folder.path / LOCK_FILE
    written = (folder.lives.folder / "killed" / LOCK_FILE).read_bytes()
    damaged = path.read_bytes() if path.exists() else written
    with FolderLock(folder.path, note=str(folder.path)):
        if damaged != written:
            path.write_bytes(damaged)
        folder.call("status", folder.toml)
        folder.call("status", folder.toml, "--json")


def snapshots(folder: Folder) -> None:
    folder.call("snapshots", "list", folder.toml)
    folder.call("snapshots", "list", folder.toml, "--json")
    folder.call("snapshots", "verify", folder.toml)


def dry(folder: Folder) -> None:
    with mock.patch.object(Config, "build_admin_client", return_value=FakeAdminClient()):
        dry_run(configuration.load(folder.toml, {}), seconds=1e-6)


def simulate(folder: Folder) -> None:
    """Messages that `simulate --journal` and `replay` read."""
    with suppress(ConfigError):
        journal = open_journal(Path(folder.toml))
        journal.settings()
        journal.checkpoints()
        list(journal.messages())
    with suppress(ConfigError):
        source = JournalSource(str(folder.path))
        list(source.messages())
        list(source.batches())


def migrate(folder: Folder) -> None:
    """It must find the learner that wrote the state, or say why it does not."""
    before = len(folder.said)
    output = folder.call("migrate", folder.toml, "--dry-run", "--json")
    if output is None:
        return
    found = json.loads(output)
    if found["notes"]:
        raise WrongError(f"the state is taken for that of another learner: {found['notes']}")
    if found["position"] > len(folder.lives.messages):
        raise WrongError(f"the state is at message {found['position']}, which never was")
    if found["position"] < len(folder.lives.messages) and len(folder.said) == before:
        raise WrongError(f"the state is at message {found['position']} without a word")


def adopt(folder: Folder) -> None:
    folder.call("adopt", folder.toml, "--yes")
    text = config_path(folder.path).read_text()
    other = folder.path.with_name("other.toml")
    other.write_text(text.replace('"pump"', '"pump-2"'))
    if folder.call("adopt", str(other), "--yes") is not None:
        folder.call("adopt", folder.toml, "--yes")


def backup(folder: Folder) -> Path | None:
    """Back up; returns a folder with what was written."""
    target = folder.path.with_name("restored")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return None if folder.call("backup", folder.toml, str(target / FILE)) is None else target


def export(folder: Folder) -> None:
    folder.call("export", folder.toml, "--json")
    folder.call("snapshots", "verify", folder.toml)


READING: dict[str, Callable[[Folder], object]] = {
    "journal export": journal_export,
    "journal export --format csv": journal_csv,
    "journal info": journal_info,
    "dead-letters list, show": dead_letters,
    "check": check,
    "status": status,
    "snapshots list, verify": snapshots,
    "run --dry-run": dry,
    "migrate --dry-run": migrate,
    "simulate --journal, replay": simulate,
}
"""Commands that only read."""
WRITING: dict[str, Callable[[Folder], object]] = {
    "dead-letters purge": dead_letters_purge,
    "dead-letters replay": dead_letters_replay,
    "adopt": adopt,
}
"""Commands that change the state."""
