"""Check that open files still are those of their names.

A file that was deleted or moved while it is open can be written as before: no write fails, and all of it is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state.disk import Disk
from edgedescent.state.state_file import folder_error


class FilesInUse:
    """Identities of the files that a process keeps open.

    Args:
        folder: The state folder.
        names: Names of the files. One that does not exist is not in use.
        disk: The file system.

    Raises:
        OSError: If the folder cannot be read.
    """

    def __init__(self, folder: Path, names: Iterable[str], disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        found = ((folder / name, disk.identity(folder / name)) for name in names)
        self._identities = {path: identity for path, identity in found if identity is not None}

    def require(self) -> None:
        """Require that each name still leads to the file in use.

        Raises:
            StateError: If a file was deleted, moved or replaced.
        """
        identify = self._disk.identity
        try:
            gone = [path.name for path, identity in self._identities.items() if identify(path) != identity]
        except OSError as error:
            raise folder_error(self._folder, error) from error
        if gone:
            raise StateError(
                f"The state in {self._folder} was deleted, moved or replaced while it was in use ({', '.join(gone)}): "
                "nothing that came since is acknowledged.",
                "Put the folder back, or restore it from a backup; the next start begins without a state otherwise.",
            )
