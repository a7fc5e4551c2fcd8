from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from edgedescent import __version__, cli, errors
from edgedescent.config import Config, checksum
from edgedescent.daemon.status import FILE as STATUS_FILE
from edgedescent.snapshots.publish import publish_snapshot
from edgedescent.state.lock import FolderLock
from support.command_line import COMMANDS, CONFIGURED, REST, device_file, run, run_json
from support.state_folder import Run, a_config, payloads
from support.waiting import PATIENCE_S


def ran(*words: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "edgedescent", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        timeout=PATIENCE_S,
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose state folder is `state` beside it."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return device_file(tmp_path)


def a_daemons_state(config: Path) -> Config:
    """Let a daemon have learned something there."""
    state = Run(a_config(config.parent / "state"))
    state.take(payloads(40))
    state.checkpoint()
    state.store.close()
    return state.config


# --- What every command has -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help_with_an_example(command: str, option: str) -> None:
    result = run(*command.split(), option)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(f"Usage: edgedescent {command}".rstrip())
    at = [line.strip() for line in lines].index("Example:")
    assert lines[at + 1].strip().startswith(f"edgedescent {command}".rstrip())
    assert "\b" not in result.output
    assert "\\b" not in result.output


def test_the_help_lists_every_command() -> None:
    output = run("--help").output
    assert all(f"\n  {command} " in output for command in COMMANDS if " " not in command)
    assert {"check", "dead-letters", "demo", "export", "replay", "run", "snapshots", "status"} <= set(COMMANDS)


def test_the_version_is_told() -> None:
    assert run("--version").output == f"edgedescent, version {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("rn", "run"), ("Check", "check"), ("deadletters", "dead-letters"), ("replya", "replay")]
)
def test_an_unknown_command_gets_a_suggestion(typed: str, meant: str) -> None:
    result = run(typed, "x")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: There is no command {typed!r}. Did you mean `{meant}`?"


def test_a_command_like_no_other_gets_none() -> None:
    assert run("zzzz").stderr.splitlines()[-1] == "Error: There is no command 'zzzz'."


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["check", "a", "b"],
        ["check", "--jsn", "a"],
        ["dead-letters", "list", "a", "--limit", "0"],
        ["dead-letters", "list", "a", "--limit", "99999999999999999999"],
        ["dead-letters", "list", "a", "--since", "yesterday"],
        ["dead-letters", "purge", "a"],
        ["journal", "export", "a", "--json"],
        ["run", "a", "--events", "3"],
        ["run", "a", "--dry-run", "--seconds", "nan"],
        ["replay", "a", "--to", "mqtt://localhost", "--rate", "nan"],
        ["replay", "a", "--to", "mqtt://localhost", "--rate", "1e400"],
        ["replay", "a", "--to", "mqtt://localhost", "--connect-timeout", "nan"],
        ["replay", "a", "--to", "mqtt://localhost", "--skip", "99999999999999999999"],
        ["replay", "a", "--to", "mqtt://localhost", "--limit", "99999999999999999999"],
        ["demo", "--rate", "inf"],
        ["export", "a", "--output"],
        ["run", "/"],
    ],
)
def test_a_wrong_use_is_told_with_exit_code_2(words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")


HEAVY = ("river", "onnx", "onnxruntime", "rich", "amqtt", "sklearn", "pandas", "scipy")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check", "--offline"],
        ["check", "--no-publish"],
        ["status"],
        ["dead-letters", "list"],
        ["journal", "info"],
        ["journal", "export"],
        ["snapshots", "list"],
        ["run", "--help"],
    ],
)
def test_what_is_heavy_is_not_loaded(config: Path, words: list[str]) -> None:
    a_daemons_state(config)
    needed = [] if "--help" in words else [str(config)]
    code = (
        "import sys\nfrom edgedescent.cli import main\ntry:\n    main()\n"
        f"finally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words, *needed], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", CONFIGURED)
def test_a_wrong_configuration_is_told_in_one_line(config: Path, command: str) -> None:
    config.write_text(config.read_text() + "pth = 3\n")
    done = ran(*command.split(), config, *REST.get(command, ()))
    # By this systemd knows that starting the daemon again is of no use.
    assert done.returncode == os.EX_CONFIG
    assert done.stdout == ""
    expected = f"Error: {config}: `state.pth` is not a known key: expected one of path, "
    assert done.stderr.startswith(expected)
    assert done.stderr.endswith(" Hint: Did you mean `path`?\n")
    assert done.stderr.count("\n") == 1
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("table", "message", "code"),
    [
        ("[broker]\nport = 0\n", "`broker.port` is 0: expected `int` >= 1.", os.EX_CONFIG),
        # A certificate may come to be usable without a change of the configuration.
        ("[broker.tls]\nca_file = '/nowhere'\n", "`broker.tls`: the certificates cannot be used", 1),
        ("[snapshots]\nexporter = 'onx'\n", "`snapshots.exporter` is 'onx': expected one of onnx.", os.EX_CONFIG),
        ("[snapshots]\nexporter = 'mqtt'\n", "`snapshots.exporter` is 'mqtt': expected one of onnx.", os.EX_CONFIG),
        ("[topics]\nevents = ['a#']\n", "`topics.events[0]` is 'a#'", os.EX_CONFIG),
        ("[topics\n", "not valid TOML", os.EX_CONFIG),
        ("# \xff\n", "not UTF-8 at byte ", os.EX_CONFIG),
    ],
)
def test_what_is_wrong_for_an_adapter_is_told_in_one_line(
    config: Path, command: str, table: str, message: str, code: int
) -> None:
    config.write_bytes(config.read_bytes() + table.encode("latin-1"))
    result = run(command, config)
    assert result.exit_code == code
    assert result.stderr.startswith(f"Error: {config}: {message}")
    assert result.stderr.count("\n") == 1
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("command", CONFIGURED)
def test_a_missing_configuration_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    result = run(*command.split(), tmp_path / "none.toml", *REST.get(command, ()))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path}/none.toml: No such file or directory. Hint: Give the path of a TOML file.\n"
    )


def test_what_others_say_in_several_lines_is_told_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        raise errors.ExportError("The checker refuses it:\nline 1\nline 2", "Look.")

    monkeypatch.setattr(cli, "COMMANDS", {"failing": failing})
    result = run("failing")
    assert (result.exit_code, result.stderr) == (1, "Error: The checker refuses it: line 1 line 2 Hint: Look.\n")


def test_a_table_is_no_recommenders(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("x,y\n1,2\n")
    result = run("demo", "--recommender", table, "--target", "y", "--folder", tmp_path / "demo")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {table} holds no ratings. "
        "Hint: Its lines are like user::item::rating::time, or its columns are userId, itemId, rating and timestamp; "
        "for a table, give --data and --target.\n"
    )


# --- Each command -----------------------------------------------------------------------------------------------------


def test_status_without_a_daemon_fails(config: Path) -> None:
    result = run("status", config)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: No daemon is using the state folder {config.parent}/state. "
        "Hint: Start one with: edgedescent run CONFIG\n"
    )


def test_status_tells_of_the_daemon(config: Path) -> None:
    state = config.parent / "state"
    report = {"pid": os.getpid(), "time": time.time() - 1, "connected": False, "mae": 0.123456789, "messages": 5}
    report["config_sha256"] = checksum(config)
    with FolderLock(state):
        (state / STATUS_FILE).write_text(json.dumps(report))
        result = run("status", config)
        assert result.exit_code == 0
        assert result.output.splitlines()[0] == f"Process {os.getpid()}, not connected, reported 1 s ago."
        assert "  mae                      0.123457\n" in result.output
        assert "  messages                 5\n" in result.output
        assert "has changed" not in result.output
        told = json.loads(run("status", config, "--json").output)
        assert {**report, "age_s": told["age_s"], "config_changed": False} == told
        config.write_text(config.read_text() + "\n")
        assert "The configuration file has changed since the daemon started" in run("status", config).output
        assert run_json("status", config)[0]["config_changed"] is True


def test_snapshots_are_listed(config: Path) -> None:
    assert run("snapshots", "list", config).output == "No snapshots.\n"
    assert run("snapshots", "list", config, "--json").output == ""
    assert run("snapshots", "verify", config).output == "No snapshots.\n"
    folder = config.parent / "state" / "snapshots"
    for position, metrics in ((5, {}), (70, {"mae": 0.123456})):
        card = {
            "position": position,
            "sha256": hashlib.sha256(b"model").hexdigest(),
            "file": "model.onnx",
            "created_at": "2024-01-01T00:00:00+00:00",
            "metrics": metrics,
        }
        publish_snapshot(folder, b"model", card, keep=5)
    lines = run("snapshots", "list", config).output.splitlines()
    at = "2024-01-01T00:00:00+00:00"
    names = [f"0000000{number}-0000000000{position:02}-9372c470" for number, position in ((1, 5), (2, 70))]
    assert lines == [
        f"{at}  message 5  {folder}/{names[0]}/model.onnx",
        f"{at}  message 70  mae 0.1235  {folder}/{names[1]}/model.onnx",
    ]
    cards = [json.loads(line) for line in run("snapshots", "list", config, "--json").output.splitlines()]
    assert [card["position"] for card in cards] == [5, 70]
    assert all(Path(card["path"]).read_bytes() == b"model" for card in cards)
    result = run("snapshots", "verify", config)
    assert (result.exit_code, result.output) == (0, f"{names[0]}: whole\n{names[1]}: whole\nlatest: whole\n")
    Path(cards[0]["path"]).write_bytes(b"")
    result = run("snapshots", "verify", config)
    assert result.exit_code == 1
    assert f"{names[0]}: damaged: its model is not the one" in result.output
    result = run("snapshots", "verify", config, "--json")
    assert result.exit_code == 1
    assert [json.loads(line)["fault"] is None for line in result.output.splitlines()] == [False, True, True]
    assert len(run("snapshots", "list", config).stdout.splitlines()) == 1


def test_export_publishes(config: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    a_daemons_state(config)
    done = ran("export", config, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    card = json.loads(done.stdout)
    assert card["position"] == 40
    assert Path(card["path"]).stat().st_size == card["bytes"]
    result = run("export", config, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "message 40, " in result.output
    assert "agrees with the live model on " in result.output
    assert (tmp_path / "out" / "latest" / "model.onnx").exists()
    assert len(run("snapshots", "list", config).output.splitlines()) == 1


def test_export_of_nothing_fails(config: Path) -> None:
    result = run("export", config)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: There is no state in {config.parent}/state. Hint: Run the daemon first, or check `state.path`.\n"
    )


def test_run_refuses_a_folder_in_use(config: Path) -> None:
    with FolderLock(config.parent / "state"):
        done = ran("run", config)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: Another daemon (process {os.getpid()}) is using the state folder")
    assert done.stderr.count("\n") == 1


def test_run_refuses_the_state_of_another_learner(config: Path) -> None:
    a_daemons_state(config)
    config.write_text(config.read_text().replace("LinearRegressor", "MatrixFactorization"))
    for command in ("run", "export"):
        done = ran(command, config)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert "was learned with another configuration (type: 'LinearRegressor' there" in last
        assert "Traceback" not in done.stderr


def test_run_tells_of_a_file_that_is_beyond_rescue(config: Path) -> None:
    (config.parent / "state").mkdir()
    (config.parent / "state" / "edgedescent.db").write_bytes(b"no database " * 1000)
    for command in ("run", "export", "dead-letters list"):
        done = ran(*command.split(), config)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("Error: The state file ")
        assert "Traceback" not in done.stderr


# --- migrate ----------------------------------------------------------------------------------------------------------


def test_other_hyper_parameters_go_on_with_the_state_once_that_was_confirmed(config: Path) -> None:
    a_daemons_state(config)
    config.write_text(config.read_text().replace("[state]", "l2 = 0.1\nfeatures_max = 50\n[state]"))
    checked = run("check", config)
    assert "edgedescent migrate CONFIG --dry-run" in checked.output
    shown = run("migrate", config, "--dry-run")
    assert shown.exit_code == 0
    assert "  kept: everything: `l2` was 0.0, is 0.1 from the next event on" in shown.output
    assert "`features_max` was 4096, is 50" in shown.output
    assert run("export", config).exit_code == 1, "nothing was written"
    assert run("migrate", config).exit_code == 2, "nobody is there to answer"
    (answer,) = run_json("migrate", config, "--yes")
    assert (answer["written"], answer["possible"], answer["position"]) == (True, True, 40)
    assert [note["outcome"] for note in answer["notes"]] == ["kept", "kept"]
    assert Path(answer["backup"]).name == "before-migration-40.db"
    assert Path(answer["backup"]).exists()
    assert run("export", config).exit_code == 0
    assert "learned with this configuration already" in run("migrate", config).output
    assert run_json("migrate", config)[0]["written"] is False


def test_a_migration_that_is_impossible_says_why(config: Path) -> None:
    a_daemons_state(config)
    config.write_text(config.read_text().replace("[state]", "hash_bits = 4\n[state]"))
    refused = run("migrate", config, "--yes")
    assert refused.exit_code == 1
    assert "impossible: `hash_bits` was None, is 4, which decides what the weights mean" in refused.output
    assert "Nothing is written." in refused.output
    config.write_text(config.read_text().replace("LinearRegressor", "MatrixFactorization").replace("hash_bits = 4", ""))
    refused = run("migrate", config, "--yes", "--no-backup")
    assert "the state of LinearRegressor means nothing to MatrixFactorization" in refused.output


def test_there_must_be_a_state_to_migrate(config: Path) -> None:
    assert "There is no state in" in run("migrate", config, "--yes").output


# --- adopt ------------------------------------------------------------------------------------------------------------


def test_a_renamed_device_goes_on_with_its_state_once_that_was_confirmed(config: Path) -> None:
    a_daemons_state(config)
    renamed = config.with_name("renamed.toml")
    renamed.write_text(config.read_text().replace('"pump"', '"pump-8"'))
    checked = run("check", "--offline", renamed)
    assert checked.exit_code == 0, "the configuration alone is right"
    refused = run("export", renamed)
    assert refused.exit_code == 1
    assert "belongs to the device 'pump'; the configuration is that of 'pump-8'" in refused.output
    assert run("adopt", renamed).exit_code == 2, "nobody is there to answer"
    with FolderLock(config.parent / "state"):
        assert "Another daemon" in run("adopt", renamed, "--yes").output
    assert run_json("adopt", renamed, "--yes") == [{"device": "pump-8", "before": "pump"}]
    assert "belongs to 'pump-8' already" in run("adopt", renamed).output
    assert run("export", renamed).exit_code == 0
    assert run("export", config).exit_code == 1


def test_there_must_be_a_state_to_adopt(config: Path) -> None:
    assert "There is no state in" in run("adopt", config, "--yes").output
    assert not (config.parent / "state").exists()
