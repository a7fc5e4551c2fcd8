"""Journal of a sweep: nothing that was completed is lost, whatever the file looks like."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.errors import ConfigError
from edgedescent_sims.sweep.jobs import Outcome
from edgedescent_sims.sweep.journal import FILE, Journal, line_of, read_line

OUTCOMES = [Outcome(key=f"k{i}", scores={"mae": i / 7, "recovery": None}, cost={"seconds": 0.1}) for i in range(6)]
LINES = [line_of(outcome) for outcome in OUTCOMES]
DATA = b"".join(LINES)


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for outcome in OUTCOMES:
            journal.append(outcome)
        assert journal.done == {outcome.key: outcome for outcome in OUTCOMES}
    with Journal(tmp_path) as journal:
        assert journal.done == {outcome.key: outcome for outcome in OUTCOMES}
    assert (tmp_path / FILE).read_bytes() == DATA


@given(cut=st.integers(0, len(DATA)))
def test_a_file_cut_at_any_byte_keeps_every_complete_line_and_goes_on(cut: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_bytes(DATA[:cut])
        # A line is complete without its line break too.
        complete, end = 0, 0
        for line in LINES:
            end += len(line)
            complete += end - 1 <= cut
        with Journal(folder) as journal:
            assert list(journal.done) == [outcome.key for outcome in OUTCOMES[:complete]]
            assert journal.n_damaged == 0
            for outcome in OUTCOMES[complete:]:
                journal.append(outcome)
        assert (folder / FILE).read_bytes() == DATA


@given(at=st.integers(0, len(DATA) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_costs_one_or_two_runs_and_invents_none(at: int, byte: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        damaged = DATA[:at] + bytes([byte]) + DATA[at + 1 :]
        (folder / FILE).write_bytes(damaged)
        with Journal(folder) as journal:
            known = {outcome.key: outcome for outcome in OUTCOMES}
            assert all(known[key] == outcome for key, outcome in journal.done.items())
            assert len(journal.done) >= len(OUTCOMES) - 2
            assert bool(journal.n_damaged) == (damaged != DATA and at < len(DATA) - 1)


def test_the_last_outcome_of_a_run_counts(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(Outcome(key="a", error="ValueError: no"))
        journal.append(OUTCOMES[0])
        journal.append(Outcome(key="a", scores={"mae": 1.0}))
    with Journal(tmp_path) as journal:
        assert journal.done["a"].scores == {"mae": 1.0}


def test_a_restart_forgets_everything(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(OUTCOMES[0])
    with Journal(tmp_path, restart=True) as journal:
        assert journal.done == {}


def test_two_sweeps_cannot_share_a_folder(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(ConfigError, match=r"Another sweep \(process \d+\) is using the folder"):
        Journal(tmp_path).__enter__()
    with Journal(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        Journal(tmp_path / "file").__enter__()
    assert str(tmp_path / "file") in str(caught.value)
    assert caught.value.hint == "Give another --out."


@pytest.mark.parametrize("line", [b"", b"00000000", b"00000000 {}", b"nonsense", LINES[0][:-2]])
def test_a_damaged_line_is_none(line: bytes) -> None:
    assert read_line(line) is None
