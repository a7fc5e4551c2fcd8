"""The contracts on imports hold, and each of them notices an import that breaks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter comes with the extra 'lint'")

ROOT = Path(__file__).parents[2]

FAULTS = [
    ("losses/huber.py", "from edgedescent.optim import Adam", "edgedescent.losses.huber -> edgedescent.optim"),
    (
        "errors.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from edgedescent.config import Config",
        "edgedescent.errors -> edgedescent.config",
    ),
    (
        "daemon/clock.py",
        "def late():\n    from edgedescent import cli",
        "edgedescent.daemon.clock -> edgedescent.cli",
    ),
    ("engine/core.py", "import edgedescent.testing", "edgedescent.engine.core -> edgedescent.testing"),
    ("state/store.py", "from edgedescent.state.recovery import recover", ".store -> .recovery"),
    ("config/values.py", "import edgedescent_mqtt", "edgedescent.config.values -> edgedescent_mqtt"),
    ("new_room/__init__.py", '"""A room that no layer names."""', "edgedescent.new_room"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the Python sources and of the contracts."""
    only_python = shutil.ignore_patterns("__pycache__", "*.so", "*.pyx", "*.pxd")
    for folder in ("edgedescent", "adapters", "sims"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(copy: Path) -> subprocess.CompletedProcess[str]:
    # Without the module `site`, no editable installation leads back to the checkout.
    paths = [str(copy), str(copy / "adapters"), str(copy / "sims"), *sys.path]
    code = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_each_contract_notices_an_import_that_breaks_it(copy: Path) -> None:
    for name, line, _ in FAULTS:
        path = copy / "edgedescent" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{line}\n", encoding="utf-8")
    # The room that no layer names hides what else breaks the layers.
    done = lint(copy)
    assert done.returncode == 1
    assert "edgedescent.new_room" in done.stdout
    shutil.rmtree(copy / "edgedescent" / "new_room")
    done = lint(copy)
    assert done.returncode == 1
    for _, _, expected in FAULTS[:-1]:
        assert expected in done.stdout, done.stdout
