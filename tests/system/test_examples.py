"""Every script in examples/ runs, and prints what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    """Run a script as a user does, away from the repository, with every warning an error."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "An example leaves nothing behind."
    return done.stdout


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?", text)]


def after(label: str, text: str) -> float:
    """The first number behind `label`."""
    return numbers(text[text.index(label) + len(label) :])[0]


def test_first_model(tmp_path: Path) -> None:
    printed = run("first_model.py", tmp_path)
    assert after("last 100 days:", printed) < 2.5 < after("first 100 days:", printed)


def test_drifting_stream(tmp_path: Path) -> None:
    rows = {line[:20].strip(): numbers(line[20:]) for line in run("drifting_stream.py", tmp_path).splitlines()[1:]}
    assert set(rows) == {"SGD, rate falls", "SGD, rate stays", "Adam", "NormalizedAdaptive", "RLS, the default"}
    for name, (before, after_change, end) in rows.items():
        assert before < after_change, name
        assert (end > 1) == (name == "SGD, rate falls"), name


def test_recommender(tmp_path: Path) -> None:
    printed = run("recommender.py", tmp_path)
    assert after("rate tea with", printed) > 4
    assert after("rate novel with", printed) < 2
    assert "Recommended to user 1: milk, tea" in printed


def test_onnx_snapshot(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    printed = run("onnx_snapshot.py", tmp_path)
    assert "They agree within 1e-9: True" in printed
    assert abs(after("onnxruntime", printed) - 19) < 0.5


def test_save_and_restore(tmp_path: Path) -> None:
    printed = run("save_and_restore.py", tmp_path)
    assert "Damaged file refused" in printed
    assert "Same bits after 500 more events: True" in printed


def test_engine_in_process(tmp_path: Path) -> None:
    printed = run("engine_in_process.py", tmp_path)
    assert "Dead letter, malformed:" in printed
    assert "Dead letter, wrong_type:" in printed
    assert "Learned 300, repeated 1" in printed
    assert abs(after("last event:", printed) - 33) < 0.5


def test_custom_optimizer(tmp_path: Path) -> None:
    printed = run("custom_optimizer.py", tmp_path)
    assert "AdaMax passes the checks." in printed
    for name in ("AdaMax", "Adam"):
        assert after(f"\n{name}: mean absolute error of the last 500 events", printed) < 0.2


def test_learn_json_lines(tmp_path: Path) -> None:
    printed = run("learn_json_lines.py", tmp_path)
    assert after("Learned", printed) == 50_000
    assert after("last 1,000:", printed) < 0.1


def test_every_example_is_listed_and_tested() -> None:
    scripts = sorted(path.name for path in EXAMPLES.glob("*.py"))
    listed = re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == scripts
    assert [name for name in scripts if f"test_{name.removesuffix('.py')}" not in globals()] == []
