"""plain.c, compiled as the project's kernels are and called through ctypes."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
DOUBLES = ctypes.POINTER(ctypes.c_double)


def compiler_options() -> list[str]:
    """Compiler options of the modules with hot arithmetic, read from CMakeLists.txt."""
    text = (HERE.parent / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.findall(r"(?:set|list)\((?:APPEND )?(?:exact|arithmetic)_options ([^)]*)\)", text)
    options = [option for options in found for option in options.split()]
    if "-O3" not in options or "-ffp-contract=off" not in options:
        raise RuntimeError(f"CMakeLists.txt does not hold the options of the compiled arithmetic. Found {options}.")
    return options


@cache
def library() -> Any:
    """Compile and load plain.c.

    Raises:
        RuntimeError: where there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("The plain C loop needs a C compiler, such as gcc.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.so"
        options = [*compiler_options(), "-shared", "-fPIC"]
        subprocess.run([compiler, *options, str(HERE / "plain.c"), "-o", str(path), "-lm"], check=True)
        loaded = ctypes.CDLL(str(path))
    loaded.plain_new.restype = ctypes.c_void_p
    loaded.plain_new.argtypes = [ctypes.c_long]
    loaded.plain_free.argtypes = [ctypes.c_void_p]
    arguments = [ctypes.c_void_p, DOUBLES, DOUBLES, DOUBLES, ctypes.c_long, ctypes.c_int, ctypes.c_double]
    loaded.plain_learn_many.argtypes = arguments
    return loaded


class PlainLoop:
    """A linear model in plain C.

    Args:
        n_features: of every event.
        with_adam: step by Adam instead of SGD.
        lr: the learning rate.
    """

    def __init__(self, n_features: int, with_adam: bool, lr: float) -> None:
        self._library = library()
        self._model = self._library.plain_new(n_features)
        if not self._model:
            raise MemoryError(f"There is no memory for {n_features} features.")
        self._n_features, self._with_adam, self._lr = n_features, with_adam, lr

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self._library.plain_free(self._model)

    def learn_many(
        self, X: np.ndarray[Any, np.dtype[np.float64]], y: np.ndarray[Any, np.dtype[np.float64]]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Predict each row, then learn from it; returns the predictions."""
        X, y = np.ascontiguousarray(X, dtype=np.float64), np.ascontiguousarray(y, dtype=np.float64)
        if X.shape != (len(y), self._n_features):
            raise ValueError(f"X must have the shape ({len(y)}, {self._n_features}). Got {X.shape}.")
        predictions = np.empty(len(y))
        x_at, y_at, p_at = (array.ctypes.data_as(DOUBLES) for array in (X, y, predictions))
        self._library.plain_learn_many(self._model, x_at, y_at, p_at, len(y), self._with_adam, self._lr)
        return predictions
