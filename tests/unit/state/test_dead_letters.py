"""`edgedescent dead-letters`: list, show, replay and purge, also after a recovery."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from edgedescent.engine.messages import DEAD_PAYLOAD_MAX, DeadLetter
from edgedescent.errors import StateError
from edgedescent.state.dead_letters import Selection, find, id_of, purge, whole_payload
from edgedescent.state.recovery import recover
from edgedescent.state.resend import alone
from edgedescent.state.store import FILE, Store
from support.command_line import device_file, run, run_json
from support.state_folder import NOW, Run, a_config

GOOD = b'{"id": "a", "x": {"temp": 1}, "y": 2}'
MALFORMED, WRONG, MISSING = b"\xff", b'{"x": 3}', b'{"y": 1}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return device_file(tmp_path)


@pytest.fixture
def state(config: Path) -> Run:
    """A state with three dead letters, of messages 1, 2 and 4."""
    made = Run(a_config(config.parent / "state"))
    made.take([MALFORMED, WRONG, GOOD, MISSING])
    made.store.flush()
    return made


def ids(config: Path, *options: str) -> list[str]:
    return [record["id"] for record in run_json("dead-letters", "list", config, *options)]


def recovered(state: Run) -> None:
    """Recover from the last checkpoint in another process, as after kill -9."""
    store = Store(state.config.state.path)
    recover(
        state.config,
        store,
        lambda _position, effect: store.add_dead_letter(effect) if type(effect) is DeadLetter else None,
    )
    store.close()


# --- list and show ----------------------------------------------------------------------------------------------------


def test_without_a_state_there_is_nothing_to_list(config: Path) -> None:
    result = run("dead-letters", "list", config)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no state in ")
    Run(a_config(config.parent / "state")).store.close()
    assert run("dead-letters", "list", config).output == "No dead letters.\n"
    assert run_json("dead-letters", "list", config) == []


def test_a_damaged_file_is_an_error_of_every_command(config: Path, state: Run) -> None:
    state.store.close()
    path = config.parent / "state" / FILE
    path.write_bytes(b"no database" * 1000)
    for command in ("list", "purge"):
        result = run("dead-letters", command, config, *(["--all"] if command == "purge" else []))
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: The state file {path} is damaged: ")
        assert result.stderr.endswith(" Hint: The daemon repairs what it can at its next start.\n")


def test_they_are_listed_newest_first(config: Path, state: Run) -> None:
    lines = run("dead-letters", "list", config).output.splitlines()
    assert lines[0] == "4.0  2023-11-14T22:13:20+00:00  missing_field  pump/events  Object missing required field `x`"
    assert lines[1] == '    {"y": 1}'
    assert len(lines) == 6
    lines = run("dead-letters", "list", config, "--limit", 1).output.splitlines()
    assert lines[2] == "1 of 3: 1 malformed, 1 missing_field, 1 wrong_type"
    (record,) = run_json("dead-letters", "list", config, "--reason", "malformed")
    assert record == {
        "id": "1.0",
        "position": 1,
        "index": 0,
        "received_at": NOW,
        "topic": "pump/events",
        "reason": "malformed",
        "error": "JSON is malformed: invalid character (byte 0)",
        "payload": "�",
    }


def test_any_number_of_them_can_be_named(config: Path, state: Run) -> None:
    many = tuple(f"{position}.0" for position in range(4, 40_000))
    assert [id_of(letter) for letter in find(config.parent / "state", Selection(ids=(*many, "1", "2.7")))] == [
        "4.0",
        "1.0",
    ]
    assert purge(config.parent / "state", Selection(ids=many)) == 1
    assert ids(config) == ["2.0", "1.0"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--topic", "pump/events"], ["4.0", "2.0", "1.0"]),
        (["--topic", "pump"], []),
        (["--since", "7d"], []),
        (["--before", "7d"], ["4.0", "2.0", "1.0"]),
        (["--before", "7d", "--reason", "wrong_type"], ["2.0"]),
    ],
)
def test_they_are_chosen(config: Path, state: Run, options: list[str], expected: list[str]) -> None:
    assert ids(config, *options) == expected


def test_they_cannot_command_the_terminal(config: Path) -> None:
    state = Run(a_config(config.parent / "state"))
    state.take([GOOD])
    evil = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m"
    state.store.add_dead_letter(DeadLetter(1, 0, NOW, evil, "malformed", evil, evil.encode()))
    state.store.close()
    for command, lines in ((["list", config], 2), (["show", config, "1.0"], 8)):
        output = run("dead-letters", *command).output
        assert output.count("\n") == lines
        assert all(c.isprintable() or c == "\n" for c in output)
        assert r"\x1b[2J" in output
    # For programs the payload is as it came.
    assert run_json("dead-letters", "list", config)[0]["payload"] == evil


def test_one_is_shown_whole(config: Path, state: Run) -> None:
    long = b'{"x": {"temp": "' + b"y" * (2 * DEAD_PAYLOAD_MAX) + b'"}}'
    state.take([long, b'[{"x": {"temp": "' + b"z" * (2 * DEAD_PAYLOAD_MAX) + b'"}}]'])
    state.store.flush()
    assert run("dead-letters", "show", config, "2").output.splitlines()[-1] == '{"x": 3}'
    (shown,) = run_json("dead-letters", "show", config, "5.0")
    assert (shown["payload"], shown["complete"]) == (long.decode(), True)
    (shown,) = run_json("dead-letters", "show", config, "6.0")
    assert (len(shown["payload"]), shown["complete"]) == (DEAD_PAYLOAD_MAX, False)
    (letter,) = find(state.config.state.path, Selection(ids=("6.0",)))
    assert whole_payload(state.config.state.path, letter) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("9.0", "There is no dead letter 9.0."),
        ("2.1", "There is no dead letter 2.1."),
        ("x", "'x' is not the id"),
        ("1.0.0", "'1.0.0' is not the id"),
        ("²", "'²' is not the id"),
        ("1.²", "'1.²' is not the id"),
        ("99999999999999999999", "'99999999999999999999' is not the id"),
        ("1.99999999999999999999", "'1.99999999999999999999' is not the id"),
    ],
)
def test_a_missing_dead_letter_is_an_error(config: Path, state: Run, name: str, message: str) -> None:
    result = run("dead-letters", "show", config, name)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1


# --- purge ------------------------------------------------------------------------------------------------------------


def test_purging_asks_first(config: Path, state: Run) -> None:
    result = run("dead-letters", "purge", config, "--all")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Remove 3 dead letters for good? Nobody is here to answer: add --yes." in result.stderr
    assert len(ids(config)) == 3
    assert run_json("dead-letters", "purge", config, "--reason", "malformed", "--yes") == [{"purged": 1}]
    assert ids(config) == ["4.0", "2.0"]
    assert run("dead-letters", "purge", config, "2.0", "4.0", "--yes").output == "2 dead letters removed.\n"
    assert ids(config) == []
    assert run_json("dead-letters", "purge", config, "--all", "--yes") == [{"purged": 0}]


def test_recovery_does_not_bring_back_what_was_purged(config: Path, state: Run) -> None:
    state.checkpoint()
    state.take([MALFORMED, GOOD, WRONG])
    state.store.flush()
    # The daemon still has the file open.
    assert purge(state.config.state.path, Selection(reason="malformed")) == 2
    recovered(state)
    assert ids(config) == ["7.0", "4.0", "2.0"]
    assert run_json("dead-letters", "show", config, "7.0")[0]["reason"] == "wrong_type"


def test_empty_rows_are_removed_once_nothing_needs_them(config: Path, state: Run) -> None:
    folder = state.config.state.path
    purge(folder, Selection())
    with sqlite3.connect(Path(folder) / FILE) as db:
        assert db.execute("SELECT count(*), sum(length(payload)) FROM dead_letters").fetchone() == (3, 0)
    assert state.store.dead_letters() == []
    state.take([GOOD])
    state.checkpoint()
    state.take([MALFORMED])
    state.checkpoint()
    purge(folder, Selection(ids=("6",)))
    # The older checkpoint stands at message 5: what came before it is never run again, message 6 may be.
    assert db.execute("SELECT position FROM dead_letters").fetchall() == [(6,)]
    db.close()


def test_the_daemon_goes_on_writing_while_they_are_purged(config: Path, state: Run) -> None:
    for i in range(20):
        state.take([MALFORMED, GOOD])
        state.store.flush()
        assert purge(state.config.state.path, Selection()) == (4 if i == 0 else 1)
    state.take([MALFORMED])
    state.store.close()
    assert len(ids(config)) == 1


def test_a_purge_of_a_state_that_stays_locked_is_an_error(
    config: Path, state: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgedescent.state import dead_letters

    with sqlite3.connect(Path(state.config.state.path) / FILE, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        connect = dead_letters.connect

        def impatient(path: Path, mode: str) -> sqlite3.Connection:
            made = connect(path, mode)
            made.execute("PRAGMA busy_timeout = 10")
            return made

        monkeypatch.setattr(dead_letters, "connect", impatient)
        with pytest.raises(StateError, match="database is locked"):
            purge(state.config.state.path, Selection())
        db.execute("ROLLBACK")
    db.close()
    assert [id_of(letter) for letter in find(state.config.state.path, Selection())] == ["4.0", "2.0", "1.0"]


def test_json_lists_what_a_program_needs(config: Path, state: Run) -> None:
    output = run("dead-letters", "list", config, "--json").output
    assert [json.loads(line)["reason"] for line in output.splitlines()] == ["missing_field", "wrong_type", "malformed"]


# --- Two at once ------------------------------------------------------------------------------------------------------


def test_dead_letters_are_not_published_by_two_processes_at_once(config: Path, state: Run) -> None:
    with alone(config.parent / "state"):
        result = run("dead-letters", "replay", config, "--yes")
    assert result.exit_code == 1
    assert "Error: Another process is publishing dead letters of " in result.stderr
    assert len(ids(config)) == 3
    with alone(config.parent / "state"), alone(config.parent / "none"):
        pass
