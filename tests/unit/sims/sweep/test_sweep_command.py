"""The command `edgedescent sweep`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgedescent.cli import cli
from edgedescent_sims.sweep import sweep as sweep_module
from edgedescent_sims.sweep.jobs import Job, Outcome
from support.sweeps import invented

FILE = """
scenarios = ["flip.toml", "plain.toml"]
seeds = 2
jobs = 1
n_configurations = 3
[learner]
type = "LinearRegressor"
optimizer = "Adam"
[learner.search]
"optimizer.lr" = { low = 1e-4, high = 1.0, log = true }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("flip", "plain"):
        (tmp_path / f"{name}.toml").write_text('[source]\ntype = "LinearStream"\nn_events = 300\n')
    (tmp_path / "sweep.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args: str) -> Result:
    return CliRunner().invoke(cli, ["sweep", "sweep.toml", *args], catch_exceptions=False)


def use(monkeypatch: pytest.MonkeyPatch, runner: object) -> None:
    monkeypatch.setitem(sweep_module.run_sweep.__kwdefaults__, "runner", runner)


def test_a_sweep_is_ranked_and_written(folder: Path) -> None:
    done = call("--best", "best.toml")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "LinearRegressor optimizer=Adam (default)" in done.stdout
    assert "16 runs. All runs: edgedescent-sweep/results.parquet" in done.stdout
    assert (folder / "best.toml").read_text().startswith("# The best of 4 configurations by mae.\n\n[learner]\n")
    page = (folder / "edgedescent-sweep/report.html").read_text()
    assert page.count('<th scope="row"') == 4
    again = call()
    assert "16 runs, 16 of them before." in again.stdout


def test_json_is_the_ranking(folder: Path) -> None:
    done = call("--json")
    ranking = json.loads(done.stdout)
    assert [each["rank"] for each in ranking["configurations"]] == [1, 2, 3, 4]
    assert json.loads((folder / "edgedescent-sweep/ranking.json").read_text()) == ranking


def test_a_dry_run_counts(folder: Path) -> None:
    assert call("--dry-run").stdout == (
        "16 runs: 4 configurations, the defaults among them, on 2 scenarios with 2 seeds.\n"
    )
    assert json.loads(call("--dry-run", "--json").stdout)["runs"] == 16
    assert not (folder / "edgedescent-sweep").exists()


def test_failed_runs_are_shown_and_end_with_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job) -> Outcome:
        if job.repetition:
            raise RuntimeError("<broken>")
        return invented(job)

    use(monkeypatch, failing)
    done = call("--json")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "FAILED flip, seed 1, LinearRegressor optimizer=Adam: RuntimeError: <broken>"
    assert done.stderr.splitlines()[-1] == "8 of 16 runs failed; the same command tries them again."
    assert json.loads(done.stdout)["n_failed"] == 8
    page = (folder / "edgedescent-sweep/report.html").read_text()
    assert "RuntimeError: &lt;broken&gt;" in page
    assert "<broken>" not in page
    best = call("--best", "best.toml")
    assert best.exit_code == 1
    assert "none is the best" in best.stderr


def test_an_interrupt_keeps_what_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def interrupted(job: Job) -> Outcome:
        if len(ran) == 5:
            raise KeyboardInterrupt
        ran.append(job.key)
        return invented(job)

    use(monkeypatch, interrupted)
    done = call()
    assert done.exit_code == 130
    assert done.stderr == "Interrupted: 5 runs are done and kept. Run the same command to go on.\n"
    ran.clear()
    use(monkeypatch, invented)
    assert "16 runs, 5 of them before." in call().stdout
    assert "16 runs. " in call("--restart").stdout


def test_options_that_exclude_each_other(folder: Path) -> None:
    assert "give one of them" in call("--jobs", "2", "--dask", "tcp://head:8786").stderr


def test_a_mistake_is_one_line(folder: Path) -> None:
    (folder / "sweep.toml").write_text(FILE.replace("optimizer.lr", "optimizer.lrr"))
    done = call()
    assert done.exit_code == 78
    assert done.stderr == (
        "Error: sweep.toml: `learner.optimizer.lrr` is not a known key: expected one of "
        "lr, beta1, beta2, eps, schedule, clip_value, clip_norm, average_rate. Hint: Did you mean `lr`?\n"
    )


def test_the_help_shows_a_file() -> None:
    done = CliRunner().invoke(cli, ["sweep", "--help"])
    assert '"optimizer.lr" = { low = 1e-4, high = 1.0, log = true }' in done.stdout
