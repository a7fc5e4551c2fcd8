"""Checks of the machine before the daemon starts; those of a broker are in system/test_check.py."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from edgedescent.config import checksum
from edgedescent.daemon.preflight import SPARE_BYTES, _disk_space, _file_system, preflight
from edgedescent.daemon.status import StatusFile
from edgedescent.state.lock import FolderLock
from support.state_folder import Run, a_config, payloads


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


def needed(folder: Path, monkeypatch: pytest.MonkeyPatch, **state: int) -> int:
    """Free space from which on nothing is warned of, to a MiB."""
    config = a_config(folder)
    config = msgspec.structs.replace(config, state=msgspec.structs.replace(config.state, **state))
    low, high = SPARE_BYTES, 1 << 40
    while high - low > 1 << 20:
        middle = (low + high) // 2
        usage = shutil._ntuple_diskusage(1 << 42, 0, middle)  # type: ignore[attr-defined]
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        first = next(_disk_space(config, folder))
        low, high = (middle, high) if first.level == "warning" else (low, middle)
    return high


def test_dead_letters_and_checkpoints_belong_to_what_a_state_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    plain = needed(folder, monkeypatch, journal_bytes_max=1, dead_letters_max=1)
    assert plain == pytest.approx(SPARE_BYTES, abs=2 << 20)
    many = needed(folder, monkeypatch, journal_bytes_max=1, dead_letters_bytes_max=200_000_000, dead_letters_max=10**6)
    assert many - plain == pytest.approx(250_000_000, abs=2 << 20)
    few = needed(folder, monkeypatch, journal_bytes_max=1, dead_letters_bytes_max=200_000_000, dead_letters_max=1000)
    assert few - plain == pytest.approx(17_408_000, abs=2 << 20)
    run = Run(a_config(folder))
    run.take(payloads(5))
    run.store.checkpoint({"names": ["x" * 10**7]}, 5, 1.0, {})
    run.store.close()
    grown = needed(folder, monkeypatch, journal_bytes_max=1, dead_letters_max=1)
    # Three of them, less the file that is there.
    assert grown - plain == pytest.approx(2 * 10**7, abs=3 << 20)


def test_a_configuration_that_was_edited_since_the_start_is_said(tmp_path: Path) -> None:
    folder, path = tmp_path / "state", tmp_path / "device.toml"
    folder.mkdir()
    path.write_text("before")
    config = a_config(folder)
    with FolderLock(folder):
        StatusFile(folder, checksum(path)).write({"time": 4e9})
        for changed in (False, True):
            if changed:
                path.write_text("after")
            said = [each.message for each in preflight(config, str(path)) if each.level == "warning"]
            assert [text for text in said if "has changed since" in text] == (
                [f"{path} has changed since process {os.getpid()} started."] if changed else []
            )
