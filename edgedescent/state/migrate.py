"""Migration of a state to a learner with other hyper-parameters: a new checkpoint at the end of the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Predictions, Recommendations
from edgedescent.errors import StateError
from edgedescent.learners.migration import Note, is_possible, migrate
from edgedescent.state.backup import OnProgress, backup
from edgedescent.state.files import as_owner_of
from edgedescent.state.lock import FolderLock
from edgedescent.state.recovery import EngineFactory, recover
from edgedescent.state.state_file import folder_error, require_file
from edgedescent.state.store import FILE, Store


class Plan(msgspec.Struct, frozen=True):
    """Plan of a migration: the parts of the state that are carried over, and those that are not."""

    position: int
    """Position of the last message that the state includes."""
    notes: list[Note]
    """Consequences of each changed parameter."""
    unsent: int
    """Number of answers that the daemon had not sent when it was killed, and never will."""

    @property
    def is_possible(self) -> bool:
        """True if the state can be carried over."""
        return is_possible(self.notes)


def written_learner(folder: str | Path) -> dict[str, Any]:
    """Type and parameters of the learner that wrote a state.

    Raises:
        StateError: If there is no state, it cannot be read, or no learner is recorded.
    """
    store = Store(folder, read_only=True)
    try:
        learner = store.records.learner
    finally:
        store.close()
    if learner is None:
        raise StateError(f"The state in {folder} holds nothing to carry over.", "Run the daemon first.")
    return learner


def plan(before: EngineFactory, after: EngineFactory, folder: str | Path) -> Plan:
    """Find out what a migration would carry over. Nothing is written, and a daemon may run.

    Args:
        before: Makes engines with the learner that wrote the state.
        after: Makes engines with the learner that is to continue with it.
        folder: The state folder.

    Raises:
        StateError: If there is no state, or it cannot be recovered.
    """
    store = Store(folder, read_only=True)
    try:
        return _migrated(before, after, store)[1]
    finally:
        store.close()


def carry_over(
    before: EngineFactory, after: EngineFactory, folder: str | Path, copy: Path | None, on_progress: OnProgress
) -> Plan:
    """Carry a state over to another learner. The former checkpoints are removed in the same transaction.

    A crash at any moment leaves either the state of the former learner or that of the new one.

    Args:
        before: Makes engines with the learner that wrote the state.
        after: Makes engines with the learner that is to continue with it.
        folder: The state folder.
        copy: File to which the state is copied before; None for no copy.
        on_progress: Called with the progress of the copy.

    Raises:
        StateError: If there is no state, a daemon is using it, it cannot be carried over, or cannot be copied or
            written.
    """
    folder = Path(folder)
    require_file(folder / FILE)
    try:
        with as_owner_of(folder), FolderLock(folder):
            if copy is not None:
                backup(folder, copy, on_progress)
            store = Store(folder)
            try:
                engine, made = _migrated(before, after, store, store.add_dead_letter)
                if not made.is_possible:
                    raise StateError(
                        f"The state in {folder} cannot be carried over.", "See: edgedescent migrate --dry-run"
                    )
                wanted = after.describe_learner()
                store.begin_checkpoint(
                    engine.state_dict(), engine.position, time.time(), wanted, new_learner=True
                ).write_all()
            finally:
                store.close()
    except OSError as error:
        raise folder_error(folder, error) from error
    return made


def _migrated(
    before: EngineFactory,
    after: EngineFactory,
    store: Store,
    on_dead_letter: Callable[[DeadLetter], None] = lambda _dead_letter: None,
) -> tuple[Engine, Plan]:
    """Engine with the new learner, behind the last message of the journal."""
    answered, unsent = store.records.answered, 0

    def on_effect(position: int, effect: Effect) -> None:
        nonlocal unsent
        if isinstance(effect, DeadLetter):
            on_dead_letter(effect)
        elif isinstance(effect, Predictions | Recommendations):
            unsent += position > answered

    old = recover(before, store, on_effect)
    engine = after.build_engine(store.records.settings.at(old.position))
    state, notes = old.state_dict(), list[Note]()
    for head, to in zip(old.heads.all, engine.heads.all, strict=True):
        migration = migrate(head.learner, to.learner, head.learner.state_dict())
        # What holds for several horizons is said once.
        notes += [note for note in migration.notes if note not in notes]
        state = {name: value for name, value in state.items() if not name.startswith(head.learner_prefix)}
        state |= {head.learner_prefix + name: value for name, value in migration.state.items()}
    made = Plan(old.position, notes, unsent)
    if not made.is_possible:
        return old, made
    engine.load_state_dict(state)
    return engine, made
