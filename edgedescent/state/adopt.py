"""The device that a state belongs to, and its change."""

from __future__ import annotations

from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state.files import as_owner_of
from edgedescent.state.lock import FolderLock
from edgedescent.state.state_file import folder_error, require_file
from edgedescent.state.store import FILE, Store


def owner_of(folder: str | Path) -> str | None:
    """Name of the device that a state belongs to; None if it is not recorded.

    Raises:
        StateError: If there is no state or it cannot be read.
    """
    store = Store(folder, read_only=True)
    try:
        return store.records.device
    finally:
        store.close()


def adopt(folder: str | Path, device: str) -> None:
    """Give a state to a device.

    Args:
        folder: The state folder.
        device: Name of the device.

    Raises:
        StateError: If there is no state, a daemon is using it, or it cannot be written.
    """
    require_file(Path(folder) / FILE)
    try:
        with as_owner_of(Path(folder)), FolderLock(folder):
            store = Store(folder)
            try:
                if store.records.learner is None:
                    raise StateError(f"The state in {folder} holds nothing to go on with.", "Run the daemon first.")
                store.claim(store.records.learner, device)
            finally:
                store.close()
    except OSError as error:
        raise folder_error(Path(folder), error) from error
