from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgedescent.errors import StateError
from edgedescent.state import lock
from edgedescent.state.lock import FILE, FolderLock, holder_of, note_of
from support.waiting import eventually

HOLD = """
import sys
from edgedescent.state.lock import FolderLock
with FolderLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_with_the_id_of_the_holder(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with held_elsewhere(folder) as holder:
        with pytest.raises(StateError) as caught, FolderLock(folder):
            pass
        assert str(caught.value) == f"Another daemon (process {holder.pid}) is using the state folder {folder}."
        assert "another `state.path`" in caught.value.hint
        assert holder_of(folder) == holder.pid
        # Asking does not take it away.
        assert holder_of(folder) == holder.pid


def test_it_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert holder_of(tmp_path) is None
        with FolderLock(tmp_path):
            assert holder_of(tmp_path) == os.getpid()
            assert (tmp_path / FILE).read_text() == f"{os.getpid()}\n"
        assert holder_of(tmp_path) is None


def test_it_is_not_handed_down_to_children(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        # Until it has become another program, the child is a copy of this one with all its files.
        eventually(lambda: holder_of(tmp_path) is None, "the lock's release")
    finally:
        child.kill()
        child.wait()


def test_two_in_one_process_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "ACQUIRE_TIMEOUT_S", 0.0)
    with FolderLock(tmp_path), pytest.raises(StateError, match="Another daemon"), FolderLock(tmp_path):
        pass
    with FolderLock(tmp_path):
        pass


def test_a_refused_start_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "ACQUIRE_TIMEOUT_S", 0.0)
    with FolderLock(tmp_path):
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            with pytest.raises(StateError), FolderLock(tmp_path):
                pass
        for _ in range(5):
            holder_of(tmp_path)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_question_for_the_holder_does_not_turn_a_daemon_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    with FolderLock(tmp_path):
        pass
    asking = os.open(tmp_path / FILE, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    # The one who asks lets go while the daemon waits.
    monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
    with FolderLock(tmp_path):
        assert holder_of(tmp_path) == os.getpid()
    os.close(asking)


def test_a_holder_that_has_yet_to_say_who_it_is(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / FILE).write_text("")
        assert holder_of(tmp_path) == -1


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "none") is None
    (tmp_path / "file").write_text("")
    assert holder_of(tmp_path / "file") is None


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"The state folder .*file cannot be used: File exists\."):
        FolderLock(tmp_path / "file").__enter__()
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match=r"cannot be used: Is a directory\."):
        FolderLock(tmp_path).__enter__()


def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    for ask in (FolderLock(tmp_path).__enter__, lambda: holder_of(tmp_path)):
        with pytest.raises(StateError, match=r"lock cannot be locked: Operation not supported\.") as caught:
            ask()
        assert caught.value.hint == "Give `state.path` a folder on a disk of this machine."


def test_a_lock_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Who runs the tests as root may read everything.
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StateError, match=r"lock cannot be read: Permission denied\.") as caught:
        holder_of(tmp_path)
    monkeypatch.undo()
    assert caught.value.hint == "Run this as the daemon's user."


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "state"):
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("note", ["/run/one\ntwo", "/run/\udcff", "/run/ö"])
def test_a_note_may_hold_what_a_path_may(tmp_path: Path, note: str) -> None:
    with FolderLock(tmp_path, note):
        assert note_of(tmp_path) == note
