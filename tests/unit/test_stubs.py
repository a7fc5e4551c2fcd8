"""The stubs of the compiled modules say what the binaries hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is an extra: pip install 'edgedescent[lint]'")

ROOT = Path(__file__).parents[2]


def test_every_kernel_has_a_stub() -> None:
    for folder in ("edgedescent/kernels", "adapters/edgedescent_mqtt"):
        sources = sorted(path.stem for path in (ROOT / folder).glob("*.pyx"))
        stubs = sorted(path.stem for path in (ROOT / folder).glob("*.pyi"))
        assert sources == stubs


@pytest.mark.timeout(170)
def test_stubs_agree_with_the_binaries(tmp_path: Path) -> None:
    modules = [f"edgedescent.kernels.{path.stem}" for path in (ROOT / "edgedescent/kernels").glob("*.pyx")]
    modules += [f"edgedescent_mqtt.{path.stem}" for path in (ROOT / "adapters/edgedescent_mqtt").glob("*.pyx")]
    allowlist = Path(__file__).with_name("stubtest_allowlist.txt")
    # Run beside the sources, not in them: the binaries are wherever the package was installed.
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--concise", "--allowlist", str(allowlist), *modules],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": f"{ROOT}:{ROOT / 'adapters'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
