"""Kernels in C, compiled for the baseline and for AVX2, so that their bits can be compared."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgedescent

PACKAGE = Path(edgedescent.__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")
EXACT = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
"""Options of the build that have an influence on bits."""

PLACES = ("f32_first_below",)
"""Kernels that return a place."""

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


def compiled_header(folder: Path, header: str) -> list[ctypes.CDLL]:
    """Libraries of the functions of a header, which is given by its path in the package.

    They are static there; here they are to be found by name.
    """
    text = "#include <math.h>\n#include <stddef.h>\n#define static\n#define inline extern inline\n"
    return compiled(folder, f'{text}#include "{header}"\n')


def address(array: Any) -> ctypes.c_void_p:
    """Address of the first number of an array."""
    return ctypes.c_void_p(array.ctypes.data)


def call(library: ctypes.CDLL, name: str, *arguments: Any) -> float:
    """Call a kernel; floats are passed in the precision of its name, integers as sizes, arrays by address."""
    function = getattr(library, name)
    real = ctypes.c_double if name.startswith("f64") else ctypes.c_float
    function.restype = ctypes.c_ssize_t if name in PLACES else real
    given: list[Any] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            given.append(address(argument))
        elif isinstance(argument, int):
            given.append(ctypes.c_ssize_t(argument))
        else:
            given.append(real(argument))
    return float(function(*given))


def sum_of(products: Any) -> Any:
    """Sum of single-precision numbers in the documented order: eight partial sums, then the rest."""
    whole = len(products) - len(products) % 8
    lanes, rest = np.zeros(8, dtype=np.float32), np.float32(0)
    for block in products[:whole].reshape(-1, 8):
        lanes = lanes + block
    for product in products[whole:]:
        rest = rest + product
    a, b = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]), (lanes[1] + lanes[5]) + (lanes[3] + lanes[7])
    return (a + b) + rest


def _has_avx2() -> bool:
    return platform.machine() == "x86_64" and "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
