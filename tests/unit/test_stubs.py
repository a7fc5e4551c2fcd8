"""The stubs of the compiled modules say what the binaries hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is an extra: pip install 'edgedescent[lint]'")

ROOT = Path(__file__).parents[2]


SOURCES = sorted([*(ROOT / "edgedescent").rglob("*.pyx"), *(ROOT / "adapters").rglob("*.pyx")])


def test_every_compiled_module_has_a_stub() -> None:
    assert len(SOURCES) > 20
    assert [path for path in SOURCES if not path.with_suffix(".pyi").exists()] == []


def test_stubs_agree_with_the_binaries(tmp_path: Path) -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("adapters.") for path in SOURCES]
    allowlist = Path(__file__).with_name("stubtest_allowlist.txt")
    # Only the stubs are read: what they import, NumPy above all, would take four fifths of the time.
    (tmp_path / "mypy.ini").write_text("[mypy]\nfollow_imports = skip\n", encoding="utf-8")
    options = ["--concise", "--allowlist", str(allowlist), "--mypy-config-file", "mypy.ini"]
    # Run beside the sources, not in them: the binaries are wherever the package was installed.
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *options, *modules],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": f"{ROOT}:{ROOT / 'adapters'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
