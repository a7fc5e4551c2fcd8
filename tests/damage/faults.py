"""Faults of a disk in the files of a state folder."""

from __future__ import annotations

import random
from pathlib import Path

from edgedescent.state.store import FILE, POSITION_FILE

PAGE = 1024
KINDS = ("bit", "byte", "bytes", "zeros", "random", "copy", "stale", "cut", "gone")
"""One bit, one byte, several bytes; zeros or random bytes in a piece; a copy of another piece, or an older version of
the same piece (a write that the disk lost); a file that is cut off, or gone."""
SHARES = {
    FILE: 9,
    f"{FILE}-wal": 6,
    POSITION_FILE: 3,
    f"{FILE}-shm": 1,
    "lock": 1,
    "status.json": 1,
    "snapshots/latest/model.onnx": 1,
    "snapshots/latest/model_card.json": 1,
}
"""Weights by which the files are drawn."""


def inject(seed: str, folder: Path, older: Path, *, is_open: bool = False) -> list[str]:
    """Damage one place of a state folder, or two.

    Args:
        seed: Decides what happens.
        folder: The state folder.
        older: The same folder at an earlier time.
        is_open: True while the files are in use: none goes away, and what is mapped into memory is not cut.

    Returns:
        The kind of each fault, with the name of its file.
    """
    dice = random.Random(seed)
    names = [name for name in SHARES if (folder / name).is_file() and (folder / name).stat().st_size]
    if is_open:
        names = [name for name in names if name in (FILE, f"{FILE}-wal", f"{FILE}-shm", POSITION_FILE)]
    chosen = dice.choices(names, [SHARES[name] for name in names], k=dice.choice((1, 1, 2)))
    done = []
    for number, name in enumerate(chosen):
        # Each its own, so that the size of one file has no influence on the damage of the other.
        dice = random.Random(f"{seed} {number}")
        kind = dice.choice(KINDS)
        if is_open and (kind == "gone" or (kind == "cut" and name.endswith("-shm"))):
            kind = "zeros"
        if kind == "stale" and name == POSITION_FILE:
            # Together with a log that lost the same writes it would be the whole state of an earlier moment.
            kind = "zeros"
        _damage(dice, folder / name, older / name, kind)
        done.append(f"{kind} {name}")
    return done


def _damage(dice: random.Random, path: Path, older: Path, kind: str) -> None:
    if kind == "gone":
        path.unlink(missing_ok=True)
        return
    data = path.read_bytes() if path.exists() else b""
    if not data:
        return
    if kind == "cut":
        with path.open("r+b") as file:
            file.truncate(dice.choice((0, dice.randrange(len(data)), dice.randrange(len(data)) // PAGE * PAGE)))
        return
    if kind in ("bit", "byte", "bytes"):
        # Half of them near the beginning of a page, where its structure is.
        places = [_place(dice, len(data)) for _ in range(dice.choice((2, 4, 30)) if kind == "bytes" else 1)]
        for at in places:
            new = data[at] ^ 1 << dice.randrange(8) if kind == "bit" else dice.randrange(256)
            _write(path, at, bytes([new]))
        return
    at, length = _piece(dice, len(data), of_log=path.name.endswith("-wal"))
    if kind == "zeros":
        _write(path, at, bytes(length))
    elif kind == "random":
        _write(path, at, dice.randbytes(length))
    elif kind == "copy":
        other = dice.randrange(max(len(data) // length, 1)) * length
        _write(path, at, data[other : other + length])
    elif older.exists():
        _write(path, at, older.read_bytes()[at : at + length])


def _place(dice: random.Random, size: int) -> int:
    if dice.random() < 0.5:
        return dice.randrange(size)
    return min(dice.randrange(-(-size // PAGE)) * PAGE + dice.randrange(120), size - 1)


def _piece(dice: random.Random, size: int, *, of_log: bool) -> tuple[int, int]:
    """Offset and length of a piece of a file: pages or sectors, or frames of the log."""
    if of_log and dice.random() < 0.5:
        frame = PAGE + 24
        return 32 + dice.randrange(max((size - 32) // frame, 1)) * frame, frame
    length = dice.choice((512, PAGE, PAGE, 4096))
    at = dice.randrange(-(-size // length)) * length
    return at, min(length, size - at)


def _write(path: Path, at: int, data: bytes) -> None:
    """Overwrite a part of a file in place."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
