"""README and guides from `pip install` of the built wheel in an empty environment, in README's order.

Not part of `make test`, because it builds the wheel and installs packages: `make wheel` runs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.snippets import FENCE, ROOT, run_as_typed, type_in_page

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in ("extending", "scores")]
"""Guides whose Python snippets are programs; those of the others are typed in by tests of their own."""


CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
"""Environment of this process without the variables that lead to the sources."""


def called(*words: str | Path, folder: Path, **further: str) -> subprocess.CompletedProcess[str]:
    """Run a program that does not find the sources."""
    return subprocess.run(
        [*map(str, words)], cwd=folder, env={**CLEAN, **further}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = called(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT, folder=folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an empty environment in which the bare wheel was installed."""
    folder = tmp_path_factory.mktemp("bare")
    assert called(sys.executable, "-m", "venv", folder, folder=folder).returncode == 0
    done = called(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="session")
def full(bare: Path, wheel: Path) -> Path:
    """The same with the extras that README and guides name."""
    needed = [f"{wheel}[cbor,demo,holidays,plot,sweep]", "pandas", "scikit-learn"]
    done = called(bare / "python", "-m", "pip", "install", "--quiet", *needed, folder=bare)
    assert done.returncode == 0, done.stderr
    return bare


def test_the_bare_wheel_says_what_the_demo_needs(bare: Path, tmp_path: Path) -> None:
    done = called(bare / "edgedescent", "demo", folder=tmp_path)
    assert done.returncode == 1
    assert re.search(r"^Error: The demo needs packages that are not installed: onnx, onnxruntime, river", done.stderr)
    assert "pip install 'edgedescent[demo]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_readme_from_top_to_bottom(full: Path, tmp_path: Path) -> None:
    demo = called(full / "edgedescent", "demo", "--rate", "500", "--json", folder=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert json.loads(demo.stdout)["events_learned"] == 578
    for number, (kind, text) in enumerate(FENCE.findall(README)):
        done = None
        if kind == "python":
            done = called(full / "python", "-W", "error", "-c", text, folder=tmp_path)
        elif kind == "sh":
            done = run_as_typed(text, tmp_path, programs=full, environment=CLEAN)
        assert done is None or done.returncode == 0, f"block {number}: {done.stdout}\n{done.stderr}"
    rehearsal = called(full / "edgedescent", "simulate", "sign-flip", folder=tmp_path)
    assert rehearsal.returncode == 0, rehearsal.stderr


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_python_of_the_guides(path: Path, full: Path, tmp_path: Path) -> None:
    snippets = [text for kind, text in FENCE.findall(path.read_text(encoding="utf-8")) if kind == "python"]
    done = called(full / "python", "-c", "\n".join(snippets), folder=tmp_path, MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr


def commands() -> list[Any]:
    """Blocks of commands in the guides, but for the tutorial, whose blocks need those before them."""
    return [
        pytest.param(text, id=f"{path.stem}-{number}")
        for path in sorted((ROOT / "docs").glob("*.md"))
        if path.stem != "simulators"
        for number, (kind, text) in enumerate(FENCE.findall(path.read_text(encoding="utf-8")))
        if kind == "sh"
    ]


@pytest.mark.parametrize("text", commands())
def test_commands_of_the_guides(text: str, full: Path, tmp_path: Path) -> None:
    done = run_as_typed(text, tmp_path, programs=full, environment=CLEAN)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_tutorial_of_the_simulators(full: Path, tmp_path: Path) -> None:
    type_in_page(ROOT / "docs/simulators.md", tmp_path, programs=full, environment=CLEAN)


def test_the_notebook(full: Path, tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "examples/building_demand.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    done = called(full / "python", "-c", "\n".join(cells), folder=tmp_path, MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr
