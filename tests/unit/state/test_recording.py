"""`edgedescent journal`: what was received, exported whole."""

from __future__ import annotations

import csv
import errno
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine.messages import Message
from edgedescent.state import recording
from edgedescent.state.recording import export_journal, extent, from_line, read, to_line
from edgedescent.state.store import FILE, Store
from edgedescent_sims.sources import open_source
from edgedescent_sims.sources.journal import JournalSource
from support.command_line import device_file, run, run_json
from support.state_folder import NOW, Run, a_config, batches, payloads


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return device_file(tmp_path)


@pytest.fixture
def state(config: Path) -> Run:
    made = Run(a_config(config.parent / "state"))
    for batch in batches([b"\xff\x00", *payloads(59)], 7):
        made.take(batch)
    return made


@given(
    received_at=st.floats(allow_nan=False, allow_infinity=False),
    topic=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    payload=st.binary(),
)
def test_a_message_survives_as_a_line(received_at: float, topic: str, payload: bytes) -> None:
    message = Message(7, received_at, topic, payload)
    line = to_line(message)
    assert "\n" not in line
    assert line.isascii()
    assert from_line(line) == message


@pytest.mark.parametrize("line", ["", "{}", "[1]", '{"position": 1, "received_at": 1, "topic": "a"}', "x,y"])
def test_another_line_is_none(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_line(line)


def test_reading_goes_part_by_part(state: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PART", 4)
    everything = list(state.store.read(0))
    folder = state.config.state.path
    assert list(read(folder)) == everything
    assert list(read(folder, after=10, up_to=23)) == everything[10:23]
    assert list(read(folder, after=100)) == []
    # What comes meanwhile is not waited for.
    reading = read(folder)
    found = [next(reading)]
    state.take([b"1"])
    assert found + list(reading) == everything


def test_a_reader_does_not_keep_the_log_from_being_taken_over(state: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PART", 4)
    reading = read(state.config.state.path)
    next(reading)
    with sqlite3.connect(Path(state.config.state.path) / FILE) as db:
        busy, in_log, taken_over = db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    db.close()
    assert (busy, in_log - taken_over) == (0, 0)
    assert len(list(reading)) == 59


def test_the_journal_is_exported_bit_for_bit(config: Path, state: Run, tmp_path: Path) -> None:
    lines = run("journal", "export", config).output.splitlines()
    assert [from_line(line) for line in lines] == list(state.store.read(0))
    assert json.loads(lines[0]) == {
        "position": 1,
        "received_at": NOW,
        "topic": "pump/events",
        "payload_base64": "/wA=",
    }
    part = run("journal", "export", config, "--from", 5, "--to", 9).output.splitlines()
    assert part == lines[4:9]
    assert run("journal", "export", config, "--since", "1h").output == ""
    report = run_json("journal", "export", config, "--output", tmp_path / "all.jsonl")
    assert report == [{"path": f"{tmp_path}/all.jsonl", "messages": 60}]
    assert (tmp_path / "all.jsonl").read_text().splitlines() == lines
    again = run("journal", "export", config, "--output", tmp_path / "all.jsonl")
    assert again.exit_code == 1
    assert again.stderr.startswith(f"Error: {tmp_path}/all.jsonl exists already.")


def test_an_export_that_fails_leaves_no_half_of_it(
    config: Path, state: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def until_full(message: Message) -> str:
        nonlocal written
        written += 1
        if written > 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return to_line(message)

    output = tmp_path / "all.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(f"{recording.__name__}.to_line", until_full)
        failed = run("journal", "export", config, "--output", output)
    assert failed.exit_code == 1
    assert failed.stderr == f"Error: {output} cannot be written: No space left on device.\n"
    assert not output.exists()
    assert run_json("journal", "export", config, "--output", output) == [{"path": str(output), "messages": 60}]


def test_the_journal_as_a_table(config: Path, state: Run) -> None:
    lines = run("journal", "export", config, "--format", "csv", "--to", 1).output.splitlines()
    assert lines == ["position,received_at,topic,payload", "1,1700000000.0,pump/events,\\xff\\x00"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\u202eb\u2066c\x9b", "a\\u202eb\\u2066c\\x9b"),
        ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-21.5", "-21.5"),
        ("+3e5", "+3e5"),
        ("größe µ", "größe µ"),
    ],
)
def test_a_table_does_nothing_to_a_terminal_or_a_spreadsheet(tmp_path: Path, text: str, shown: str) -> None:
    store = Store(tmp_path)
    store.append([Message(1, NOW, text.replace("/", ""), text.encode())], 0)
    store.close()
    output = tmp_path / "out.csv"
    assert export_journal(tmp_path, output, style="csv") == 1
    (row,) = list(csv.reader(output.read_text().splitlines()))[1:]
    assert row[3] == shown
    assert row[2] == shown.replace("/", "")
    # Nothing is lost there.
    assert export_journal(tmp_path, tmp_path / "out.jsonl") == 1
    assert from_line((tmp_path / "out.jsonl").read_text()).payload == text.encode()


@pytest.mark.parametrize("position", [2**63 - 1, 2**63, 2**64, 10**30])
def test_no_position_is_too_large(config: Path, state: Run, position: int) -> None:
    for option in ("--from", "--to"):
        result = run("journal", "export", config, option, position)
        assert result.exit_code == (0 if position < 2**63 else 2), result.output


def test_the_range_of_the_journal_is_reported(config: Path, state: Run) -> None:
    (found,) = run_json("journal", "info", config)
    assert (found["first"], found["last"], found["blocks"]) == (1, 60, 9)
    assert found["bytes"] == extent(state.config.state.path).bytes > 0
    assert (found["oldest_at"], found["newest_at"], found["bytes_per_day"]) == (NOW, NOW, None)
    assert run("journal", "info", config).output.startswith("Messages 1 to 60, in 9 blocks of ")


def test_an_empty_journal_is_reported(config: Path) -> None:
    Run(a_config(config.parent / "state")).store.close()
    assert run("journal", "info", config).output == "The journal is empty.\n"
    assert run("journal", "export", config).output == ""


def test_a_recording_is_a_source(config: Path, state: Run, tmp_path: Path) -> None:
    path = tmp_path / "morning.jsonl"
    run("journal", "export", config, "--output", path)
    source = open_source(path)
    assert isinstance(source, JournalSource)
    assert (source.kind, source.name, source.n_messages()) == ("features", "morning.jsonl", 60)
    expected = list(state.store.read(0))
    assert [(message.topic, message.payload) for message in source.messages()] == [
        (message.topic, message.payload) for message in expected
    ]
    folder = open_source(state.config.state.path)
    assert isinstance(folder, JournalSource)
    assert list(folder.messages()) == expected
    assert [event["x"] for event in folder.events()] == [event["x"] for event in source.events()]
    path.write_text(path.read_text() + "nonsense\n")
    assert len(list(source.messages())) == 60
    assert source.skipped_rows.rows == 1
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert not JournalSource.recognizes(str(tmp_path / "other.csv"))
    with pytest.raises(Exception, match="is a recording, which is sent as it is"):
        open_source(path, target="y")
