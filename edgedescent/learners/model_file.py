"""Files of learners: what `Learner.save` writes and `edgedescent.load` reads.

A file is a zip archive. ``model.json`` holds the version of the format, the learner's parameters, the lists of names of
its state, what it knows of tables and classes, and the SHA-256 of all arrays; each array is an ``.npy`` file, which
`numpy.load` opens too. Nothing is pickled, so that reading a file runs no code that is in it.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import StateError
from edgedescent.learners import LEARNERS, Learner
from edgedescent.learners.description import describe, undescribed

VERSION = 1
"""Version of the format; a file of another one is refused."""
_HEADER = "model.json"
_BYTES_MAX = 1 << 34
_UNREADABLE = (ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, struct.error)
"""Exceptions of the standard library and NumPy for an archive that is damaged or encrypted."""
_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the archive, so that equal learners give equal bytes."""


class _Array(msgspec.Struct, forbid_unknown_fields=True):
    """An array of what was learned beside the state, such as the classes."""

    dtype: str
    values: list[bool | int | float | str]


_Fitted = _Array | int | float  # A whole number stays one.


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    """Content of ``model.json``."""

    format: str
    version: int
    edgedescent: str
    learner: dict[str, Any]
    names: dict[str, list[str]]
    fitted: dict[str, _Fitted]
    arrays: list[str]
    sha256: str = ""


def save(learner: Learner, path: str | os.PathLike[str]) -> None:
    """Write a learner to a file; an existing one is replaced in one step, once the new one is on the disk.

    Args:
        learner: Learner of a class that is found by its name: a built-in one, or one of an entry point.
        path: The file.

    Raises:
        ValueError: If the class is not found by its name, or classes are of another kind than numbers and texts.
        OSError: If the file cannot be written; an existing one stays as it is.
    """
    name = type(learner).__name__
    if name not in LEARNERS or LEARNERS[name] is not type(learner):
        raise ValueError(
            f"{type(learner).__module__}.{name} cannot be saved, because it would not be found again: declare it as an "
            "entry point `edgedescent.learners`, or keep its `state_dict()` by numpy.savez."
        )
    state = learner.state_dict()
    arrays = {key: np.ascontiguousarray(value) for key, value in state.items() if not isinstance(value, list)}
    header = _Header(
        "edgedescent-model",
        VERSION,
        version("edgedescent"),
        describe(learner),
        {key: value for key, value in state.items() if isinstance(value, list)},
        {key: _plain(key, value) for key, value in learner._fitted().items()},
        list(arrays),
    )
    header.sha256 = _digest(header, arrays)
    _replace(Path(path), _archive(header, arrays))


def load(path: str | os.PathLike[str]) -> Any:
    """Read a learner from a file that `Learner.save` has written.

    It goes on to the last bit as the one that was saved. What is read is checked first: checksum, version, names,
    types, shapes, and that every number is finite.

    Args:
        path: The file.

    Returns:
        The learner, of the class that was saved.

    Raises:
        StateError: If the file is no saved learner, is damaged, or was written by another version of the format.
        ConfigError: If a package that has the learner or a part of it is not installed.
        OSError: If the file cannot be read.

    Example:
        >>> import tempfile
        >>> import edgedescent
        >>> model = edgedescent.LinearRegressor()
        >>> model.learn_one({"temp": 20.1}, 3.2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.npz")
        ...     edgedescent.load(f"{folder}/model.npz").predict_one({"temp": 20.1})
        3.2
    """
    content = Path(path).read_bytes()
    try:
        header, arrays = _read(content)
    except (zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, *_UNREADABLE) as e:
        raise StateError(f"{path} is no saved learner, or it is damaged: {e}", "Save the learner again.") from e
    if header.version != VERSION:
        raise StateError(
            f"{path} has version {header.version} of the format, written by EdgeDescent {header.edgedescent}; "
            f"this version reads {VERSION}.",
            f"Install edgedescent=={header.edgedescent}.",
        )
    if header.sha256 != _digest(header, arrays):
        raise StateError(f"{path} is damaged: its checksum does not match.", "Restore it from a copy.")
    try:
        learner = undescribed(header.learner)
        learner.load_state_dict({**arrays, **header.names})
        learner.__dict__.update({key: _restored(value) for key, value in header.fitted.items()})
    except (ValueError, TypeError) as error:
        raise StateError(
            f"{path} was written by EdgeDescent {header.edgedescent} and does not fit this version: {error}",
            f"Install edgedescent=={header.edgedescent}.",
        ) from error
    return learner


def _read(content: bytes) -> tuple[_Header, dict[str, NDArray[Any]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > _BYTES_MAX:
            raise ValueError(f"it would take more than {_BYTES_MAX} bytes.")
        header = msgspec.json.decode(archive.read(_HEADER), type=_Header)
        if header.version != VERSION:
            return header, {}
        members = {name: archive.read(f"{name}.npy") for name in header.arrays}
    return header, {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in members.items()}


def _archive(header: _Header, arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _NO_TIME), msgspec.json.encode(header), zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            data = io.BytesIO()
            np.save(data, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _NO_TIME), data.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _digest(header: _Header, arrays: dict[str, NDArray[Any]]) -> str:
    """SHA-256 of the header without its own, and of each array with its type and shape."""
    digest = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(header, sha256="")))
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _plain(name: str, value: Any) -> _Fitted:
    if isinstance(value, int | float):
        return value
    values = np.asarray(value).tolist()
    if not all(isinstance(each, bool | int | float | str) for each in values):
        raise ValueError(f"The `{name}` must be numbers or texts to be saved. Got {value!r:.80}.")
    return _Array(np.asarray(value).dtype.str, values)


def _restored(value: _Fitted) -> Any:
    if not isinstance(value, _Array):
        return value
    dtype = np.dtype(value.dtype)
    return np.array(value.values, dtype=dtype)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
