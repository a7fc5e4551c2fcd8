"""The benchmark of recommendations: that all contestants rank by the same rules, and what it prints."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rankers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The contestants, found the way the script beside them finds them."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("rankers")


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """A file of 600 ratings, half of them likes."""
    rng = random.Random(4)
    lines = [f"{rng.randrange(40)}::{rng.randrange(60)}::{rng.choice((3, 9))}::{n}" for n in range(600)]
    path = tmp_path / "ratings.dat"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "recommend.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def test_it_prints_all_contestants_and_how_to_run_it_again(ratings: Path) -> None:
    done = run(str(ratings), "--likes-from", "7", "--first", "200", "--limit", "600")
    assert done.returncode == 0, done.stderr
    for name in ("AutoRanker", "popularity, all time", "popularity, horizon 200", "item neighbours, latest 5", "River"):
        assert name in done.stdout
    for name in ("AutoRecommender, n_factors 40", "MatrixFactorization", "River BiasedMF", "running mean"):
        assert name in done.stdout
    assert "600 ratings, each predicted, then learned" in done.stdout
    assert "Gorse's tests expect NDCG@10 of 0.36" in done.stdout
    assert "again: python" in done.stdout
    assert "ran on: processor" in done.stdout


def test_json_holds_scores_between_0_and_1(ratings: Path) -> None:
    done = run(str(ratings), "--likes-from", "7", "--first", "200", "--only", "popularity", "--json")
    answer = json.loads(done.stdout)
    assert {row["role"] for row in answer["rows"]} == {"part", "baseline"}
    assert all(0.0 <= row[name] <= 1.0 for row in answer["rows"] for name in ("recall", "ndcg", "coverage"))


def test_errors_of_ratings_are_those_of_the_learner(ratings: Path) -> None:
    done = run(str(ratings), "--only", "mean", "--json")
    row, _ = json.loads(done.stdout)["rating_rows"]
    y = np.array([float(line.split("::")[2]) for line in ratings.read_text(encoding="utf-8").splitlines()])
    before = np.concatenate([[y[0]], np.cumsum(y)[:-1] / np.arange(1, len(y))])
    missed = np.abs(before - y)[1:].sum() + abs(y.min() - y[0])
    assert row["mae"] == pytest.approx(missed / len(y))
    assert row["learn_us"] > 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--first", "100000"), "--first must be below that"),
        (("--first", "200", "--only", "nobody"), "No contestant that can run holds"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(ratings: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(str(ratings), "--likes-from", "7", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_nobody_recommends_what_the_user_had(rankers: ModuleType) -> None:
    rng = random.Random(2)
    for entry in rankers.ENTRIES:
        if entry.why_not() or entry.name.startswith("implicit"):
            continue
        model, had = entry.make(), {f"u{n}": [] for n in range(9)}
        for n in range(300):
            user, item = f"u{rng.randrange(9)}", f"i{rng.randrange(20)}"
            if n > 100:
                best = model.best(user, list(dict.fromkeys(had[user])), 5)
                assert not set(best) & set(had[user]), entry.name
            model.learn(user, item)
            had[user].append(item)
