from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgedescent.errors import EdgeDescentError, TransportError
from edgedescent_sims.publish.command import replay

NOWHERE = "mqtt://127.0.0.1:1"


def run(*words: str) -> Result:
    return CliRunner().invoke(replay, list(words))


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n")
    return str(path)


def test_help_shows_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "edgedescent replay hour.csv.gz --to" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "http://h"], "'http://h' is not a broker's address"),
        (["--to", "mqtt://"], "is not a broker's address"),
        (["--to", "mqtt://h:0"], "is not a broker's address"),
        (["--to", "mqtt://h:99999"], "is not a broker's address"),
        (["--to", "mqtt://h/path"], "is not a broker's address"),
        (["--to", f"mqtt://{'h' * 64}"], "is not a broker's address"),
        (["--to", "mqtt://u:secret@h"], "A password in the broker's address"),
        (["--to", "mqtt://u@h", "--username", "v"], "Two user names"),
        (["--to", NOWHERE, "--device", "a/b"], "`--device` is 'a/b': expected one level of a topic"),
        (["--to", NOWHERE, "--topic", "a/#"], "`--topic` is 'a/#': expected a topic without the wildcards"),
        (["--to", NOWHERE, "--target", "z"], "no target column 'z'"),
    ],
)
def test_wrong_options_are_told_in_one_line(table: str, words: list[str], message: str) -> None:
    result = run(table, "--target", "y", *words)
    assert isinstance(result.exception, EdgeDescentError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert "secret" not in str(result.exception)


@pytest.mark.parametrize("words", [["--rate", "0"], ["--limit", "0"], ["--batch", "0"], ["--qos", "2"]])
def test_numbers_out_of_range_are_a_usage_error(table: str, words: list[str]) -> None:
    assert run(table, "--to", NOWHERE, "--target", "y", *words).exit_code == 2


def test_certificates_need_tls(table: str) -> None:
    result = run(table, "--to", NOWHERE, "--target", "y", "--cafile", table)
    assert "not mqtts://" in str(result.exception)


def test_a_file_that_is_no_certificate_is_refused(table: str) -> None:
    result = run(table, "--to", "mqtts://127.0.0.1:1", "--target", "y", "--cafile", table)
    assert "`mqtts://127.0.0.1:1`: the certificates cannot be used" in str(result.exception)


def test_a_missing_broker_is_waited_for_visibly_and_then_told_in_one_line(table: str) -> None:
    result = run(table, "--to", NOWHERE, "--target", "y", "--connect-timeout", "0.3")
    assert "Waiting for the broker at mqtt://127.0.0.1:1 for up to 0 s: Connection refused." in result.stderr
    assert isinstance(result.exception, TransportError)
    assert str(result.exception) == "No MQTT broker answers at mqtt://127.0.0.1:1: Connection refused."
    assert "Is the broker running" in result.exception.hint
