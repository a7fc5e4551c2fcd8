"""Small mounted disks that tests fill, write-protect or cut off. They need root."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pytest

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, from the kernel's fs/ext4/ext4.h."""
_WITHOUT_FLUSHING = 2


class SmallDisk:
    """A mounted file system; use it in a `with` block.

    Args:
        folder: Empty folder of its own.
        kind: File system: in memory, or ext4 on a file.
        mebibytes: Its size.
    """

    def __init__(self, folder: Path, kind: Literal["tmpfs", "ext4"], mebibytes: int) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a disk")
        self.path = folder / "disk"
        self._image = folder / "image"
        self._size = mebibytes << 20
        self._kind = kind
        self.path.mkdir(parents=True)
        if kind == "ext4":
            with self._image.open("wb") as image:
                image.truncate(self._size)
            _run("mkfs.ext4", "-q", str(self._image))

    def __enter__(self) -> Self:
        try:
            self.mount()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no disk can be mounted here: {error.stderr.strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", "--lazy", str(self.path))

    def mount(self) -> None:
        """Mount it."""
        if self._kind == "tmpfs":
            _run("mount", "-t", "tmpfs", "-o", f"size={self._size}", "none", str(self.path))
        else:
            _run("mount", "-o", "loop", str(self._image), str(self.path))

    def unmount(self) -> None:
        """Unmount it; no process may use it."""
        _run("umount", str(self.path))

    def protect(self, *, writable: bool) -> None:
        """Make it read-only, or writable again; nobody may have a file of it open to write."""
        _run("mount", "-o", f"remount,{'rw' if writable else 'ro'}", str(self.path))

    def fill(self) -> None:
        """Fill it up."""
        with self._ballast.open("ab") as file:
            size = 1 << 20
            while size:
                try:
                    os.write(file.fileno(), bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Free what `fill` took."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def cut_power(self) -> None:
        """Lose what was not synced and fail every later access; `unmount` and `mount` bring it back."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSHING.to_bytes(4, "little"))
        finally:
            os.close(descriptor)


def _run(*words: str) -> None:
    subprocess.run(words, capture_output=True, text=True, check=True)
