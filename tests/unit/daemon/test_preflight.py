"""Checks of the machine before the daemon starts; those of a broker are in system/test_check.py."""

from __future__ import annotations

import pytest

from edgedescent.daemon.preflight import _file_system


@pytest.mark.parametrize(
    ("kind", "options", "level"),
    [
        ("ext4", "rw,relatime", "ok"),
        ("ext4", "ro,relatime", "error"),
        ("tmpfs", "rw", "warning"),
        ("vfat", "rw", "warning"),
        ("nfs4", "rw", "error"),
    ],
)
def test_file_systems(kind: str, options: str, level: str) -> None:
    assert _file_system(("/data", kind, options)).level == level
