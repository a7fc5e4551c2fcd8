"""The command `simulate`: scenarios, data files, bars, baselines, files that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgedescent.errors import ConfigFileError
from support.command_line import run

SCENARIO = """
stresses = "a flip"
fail_if = ["mae > 100"]

[source]
type = "LinearStream"
n_events = 600
n_features = 2

[[transforms]]
type = "SignFlip"
columns = ["x0"]
at = 300

[candidates.linear]
type = "LinearRegressor"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "flip.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    path = tmp_path / "pump.csv"
    rows = [f"{t:.3f},{'on' if t > 0 else 'off'},{3 * t + 1:.3f}" for t in rng.normal(size=400)]
    path.write_text("\n".join(["temp,mode,flow", *rows]))
    return path


def simulate(*words: object, folder: Path) -> list[dict[str, object]]:
    result = run("simulate", *words, "--out", folder, "--jobs", 1, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_a_scenario_file(scenario: Path, tmp_path: Path) -> None:
    (answer,) = simulate(scenario, folder=tmp_path / "out")
    assert answer["name"] == "flip"
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["flip.json", "flip.svg", "report.html", "scores.parquet", "timings.json"]
    assert json.loads((tmp_path / "out/flip.json").read_bytes()) == answer
    text = run("simulate", scenario, "--out", tmp_path / "out", "--jobs", 1).output
    assert "linear" in text
    assert f"Report: {tmp_path / 'out/report.html'}" in text


def test_a_data_file_beside_baselines(data: Path, tmp_path: Path) -> None:
    (answer,) = simulate(data, "--target", "flow", "--limit", 300, folder=tmp_path / "out")
    names = [candidate["name"] for candidate in answer["candidates"]]  # type: ignore[attr-defined]
    assert names == ["LinearRegressor", "MLPRegressor", "LastValue", "RunningMean"]
    assert answer["n_events"] == 300


def test_candidates_and_peers_by_option(scenario: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('device = "a"\n[learner]\ntype = "LinearRegressor"\nl2 = 0.5\n')
    words = ("--learner", "FactorizationMachine", "--against", config, "--peers", "LastValue")
    (answer,) = simulate(scenario, *words, folder=tmp_path / "out")
    candidates = {candidate["name"]: candidate for candidate in answer["candidates"]}  # type: ignore[attr-defined]
    assert list(candidates) == ["FactorizationMachine", "mine", "LastValue"]
    assert candidates["mine"]["learner"] == {"type": "LinearRegressor", "l2": 0.5}


def test_bars_and_baselines_decide_the_exit_code(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate(scenario, folder=out)
    quick = ("--out", tmp_path / "other", "--jobs", 1)
    assert run("simulate", scenario, *quick, "--fail-if", "mae > 0.0001").exit_code == 1
    assert run("simulate", scenario, *quick, "--compare", out / "flip.json").exit_code == 0
    worse = tmp_path / "second" / "flip.toml"
    worse.parent.mkdir()
    worse.write_text(SCENARIO + "l2 = 5.0\nforgetting = 0.5\n")
    done = run("simulate", worse, *quick, "--compare", out / "flip.json")
    assert done.exit_code == 1
    assert "WORSE linear mae" in done.output


def test_a_scenario_of_a_data_file_can_be_saved_and_run(data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "mine.toml"
    assert run("simulate", data, "--target", "flow", "--save", saved).exit_code == 0
    (answer,) = simulate(saved, "--learner", "LinearRegressor", folder=tmp_path / "out")
    assert answer["n_events"] == 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sign-flop",), "There is no scenario and no file 'sign-flop'. Hint: Did you mean `sign-flip`?"),
        ((), "Give a scenario, a data file or --all"),
        (("sign-flip", "--all"), "not both"),
        (("sign-flip", "--fail-if", "recovry > 5"), "names the score 'recovry'"),
        (("sign-flip", "--learner", "LinearRegresor"), "`--learner` is 'LinearRegresor'"),
        (("sign-flip", "--peers", "LastValu"), "Did you mean `LastValue`?"),
    ],
)
def test_mistakes_are_told_in_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = run("simulate", *words, "--jobs", 1, "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert message in result.output.replace("\n", " ")


def test_wrong_scenario_files(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    for text, message in (
        (SCENARIO.replace("SignFlip", "SignFlp"), "`transforms[0].type` is 'SignFlp'"),
        (SCENARIO.replace("at = 300", "at = 3000"), "lies behind the end"),
        (SCENARIO.replace('"x0"', '"x9"'), "x9"),
        (SCENARIO.replace("at = 300", "att = 300"), "`transforms[0].att` is not a known key"),
        (SCENARIO.replace("LinearRegressor", "MatrixFactorization"), "learns ratings"),
        (SCENARIO.replace("[source]", "[sauce]"), "`sauce` is not a known key"),
        (SCENARIO + "\n[expected_failures]\nnetwork = 'why'\n", "`expected_failures` names 'network'"),
        ("name = 3 = 4", "not valid TOML"),
    ):
        path.write_text(text)
        result = run("simulate", path, "--jobs", 1, "--out", tmp_path / "out")
        assert result.exit_code == ConfigFileError.exit_code, text
        assert message in result.output.replace("\n", " "), result.output
        assert result.output.count("\n") == 1, result.output
