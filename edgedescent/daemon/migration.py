"""Migration of the state of a device to the learner that its configuration names, and its report in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgedescent.config import Config
from edgedescent.state.backup import OnProgress
from edgedescent.state.migrate import Plan, carry_over, plan, written_learner


class DeviceMigration:
    """Migration of the state of a device.

    Args:
        before: Configuration with the learner that wrote the state.
        after: Configuration with the learner that is to continue with it.

    Attributes:
        folder: The state folder.
    """

    def __init__(self, before: Config, after: Config) -> None:
        self._before = before
        self._after = after
        self.folder = Path(after.state.path)

    def plan(self) -> Plan:
        """Find out what can be carried over; writes nothing.

        Raises:
            StateError: If there is no state, or it cannot be recovered.
        """
        return plan(self._before, self._after, self.folder)

    def carry_out(self, copy: Path | None, on_progress: OnProgress) -> Plan:
        """Carry the state over.

        Args:
            copy: File to which the state is copied before; None for no copy.
            on_progress: Called with the progress of the copy.

        Raises:
            StateError: If a daemon is using the state, or it cannot be carried over, copied or written.
        """
        return carry_over(self._before, self._after, self.folder, copy, on_progress)

    def free_name(self, made: Plan) -> Path:
        """Name for the copy of the former state, which no file has."""
        names = (
            self.folder / f"before-migration-{made.position}{end}.db"
            for end in ("", *(f"-{i}" for i in range(2, 1000)))
        )
        return next(path for path in names if not path.exists())

    def lines(self, made: Plan) -> Iterator[str]:
        """Yield the report of a plan, a line each."""
        if not made.notes:
            yield f"The state in {self.folder} was learned with this configuration already."
            return
        yield f"The state in {self.folder} at message {made.position}:"
        for note in made.notes:
            yield f"  {note}"
        if made.unsent:
            yield f"  not sent: {made.unsent} answers, because the daemon was killed; run it as before to send them"
        if not made.is_possible:
            yield "Nothing is written. Restore `[learner]`, or give `state.path` a new folder for a new model."

    def done(self, made: Plan, copy: Path | None) -> str:
        """Text that tells that the migration is complete."""
        rest = "" if copy is None else f" The former state is in {copy}; remove it once you are content."
        return f"The state goes on behind message {made.position}.{rest}"


def migration_of(config: Config) -> DeviceMigration:
    """Prepare the migration of a device's state to the learner of its configuration.

    Raises:
        StateError: If there is no state, or it cannot be read.
        ConfigError: If the learner that wrote it is not installed.
    """
    written = written_learner(config.state.path)
    return DeviceMigration(msgspec.structs.replace(config, learner=written), config)
