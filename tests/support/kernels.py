"""Kernels in C, compiled for the baseline and for AVX2, so that their bits can be compared."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import edgedescent

PACKAGE = Path(edgedescent.__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")
EXACT = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
"""Options of the build that have an influence on bits."""

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


def compiled(folder: Path, text: str) -> list[ctypes.CDLL]:
    """Libraries of a source text, for the baseline, and for AVX2 where the processor has it.

    Args:
        folder: Folder for them.
        text: Source, which includes headers of the package by their paths in it.
    """
    source = folder / "kernels.c"
    source.write_text(f"#define EDGEDESCENT_VERSIONS\n{text}")
    libraries = []
    for name, flags in (("baseline", []), ("avx2", ["-mavx2"])):
        if flags and not _has_avx2():
            continue
        target = folder / f"{name}.so"
        assert COMPILER is not None
        command = [COMPILER, *EXACT, *flags, f"-I{PACKAGE.parent}", "-shared", "-fPIC", source, "-o", target, "-lm"]
        subprocess.run(command, check=True)
        libraries.append(ctypes.CDLL(str(target)))
    return libraries


def address(array: Any) -> ctypes.c_void_p:
    """Address of the first number of an array."""
    return ctypes.c_void_p(array.ctypes.data)


def _has_avx2() -> bool:
    return platform.machine() == "x86_64" and "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
