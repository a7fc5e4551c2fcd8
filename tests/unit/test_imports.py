"""Picture of the imports in docs/internals.md: current, and no compiled import runs upward."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "docs/imports.py"


@pytest.fixture(scope="module")
def imports() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_imports", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(imports: ModuleType) -> dict[str, set[str]]:
    """Imports between rooms, for which every file is read."""
    read: dict[str, set[str]] = imports.imports_of_rooms()
    return read


def test_the_picture_is_current_and_no_import_runs_upward() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "from edgedescent.engine._loop cimport LearningLoop",
        "from edgedescent.engine cimport _loop",
        "from edgedescent cimport errors, engine",
        "from edgedescent import (\n    errors,\n    engine,\n)",
        "cimport edgedescent.engine._loop",
        "cimport cython, edgedescent.engine as above  # a comment",
        "    import edgedescent.engine",
        "from ..engine._loop cimport LearningLoop",
        "from .. cimport engine",
    ],
)
def test_compiled_imports_are_read(
    line: str, imports: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "edgedescent" / "features" / "_x.pyx"
    source.parent.mkdir(parents=True)
    source.write_text(f'"""Text."""\nimport sys\n{line}\nfrom . import near\n')
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    found = {tuple(name.split(".")[:2]) for name in imports.imported_names(source)}
    assert {("edgedescent", "engine"), ("edgedescent", "features"), ("sys",)} <= found


def test_compiled_imports_make_arrows(found: dict[str, set[str]]) -> None:
    # Without compiled imports the learners would not seem to use the optimizers' rules.
    assert "optim" in found["learners"]


def test_an_upward_import_and_a_room_without_a_layer_are_faults(
    imports: ModuleType, found: dict[str, set[str]]
) -> None:
    assert imports.upward(found, imports.layers()) == []
    worse = {**found, "features": found["features"] | {"learners"}}
    assert imports.upward(worse, imports.layers()) == ["features imports learners, which is in a higher layer"]
    without = [[room for room in layer if room != "state"] for layer in imports.layers()]
    assert "state is in no layer of pyproject.toml" in imports.upward(found, without)


def test_an_old_picture_is_a_fault(
    imports: ModuleType, found: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(imports, "imports_of_rooms", lambda: found)
    old = tmp_path / "internals.md"
    old.write_text(f"text\n{imports.BEGIN}\nold\n{imports.END}\nmore\n")
    monkeypatch.setattr(imports, "GUIDE", old)
    monkeypatch.setattr(sys, "argv", ["imports.py"])
    assert imports.main() == 1
    monkeypatch.setattr(sys, "argv", ["imports.py", "--write"])
    assert imports.main() == 0
    assert "flowchart" in old.read_text()
    assert old.read_text().endswith("\nmore\n")


def test_arrows_that_a_longer_path_makes_are_left_out(imports: ModuleType) -> None:
    drawn = imports.direct_only({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert drawn == {"a": {"b"}, "b": {"c"}, "c": set()}
