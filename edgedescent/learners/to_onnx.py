"""Export of a learner to ONNX from Python."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from edgedescent.learners import Learner
from edgedescent.registry import EXPORTERS


def to_onnx(
    learner: Learner, path: str | PathLike[str] | None = None, *, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return a learner as an ONNX file, which any runtime with 64-bit floats can serve, and write it to `path`.

    The file passed the full check of the onnx package. `edgedescent_onnx.prepare` turns raw events into its inputs.
    `edgedescent export` makes the same file from the state of a daemon, after comparing it with the live learner on
    recent events, and writes a model card beside it.

    Args:
        learner: Learner of a type that has a graph; see the README of `edgedescent_onnx`.
        path: Where to write the file, if anywhere; an existing one is replaced.
        metadata: Further entries of the file, such as the name of a device.

    Raises:
        ExportError: If there is no graph for this type of learner, or onnx is not installed.
        OSError: If the file cannot be written.

    Example:
        >>> from edgedescent import LinearRegressor, to_onnx
        >>> model = LinearRegressor()
        >>> model.learn_one({"temp": 20.1}, 3.2)
        >>> len(to_onnx(model)) > 100
        True
    """
    content = EXPORTERS["onnx"]().export(learner, metadata or {})
    if path is not None:
        Path(path).write_bytes(content)
    return content
