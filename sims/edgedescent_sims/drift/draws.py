"""Random draws that belong to an event or to an id, wherever and however often it is met in a stream.

A draw by the number of the event does not depend on how the stream is cut into batches, on which events a fault has
dropped or doubled, or on where a reading starts: a question and its late label, or the stream and the twin that only
ever saw its new regime, get the same draw.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Numbers of events that share a generator, because making one costs as much as 2,000 draws."""

Distribution = Literal["uniform", "normal"]


def uniform(seed: int, stream: int, number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Draws from [0, 1), one for each number of an event.

    Args:
        seed: Seed of the drift.
        stream: Which of the drift's independent draws.
        number: Numbers of the events.

    Example:
        >>> draws = uniform(1, 2, np.arange(1, 9))
        >>> bool((uniform(1, 2, np.array([3, 3, 1])) == draws[[2, 2, 0]]).all())
        True
    """
    return _by_number("uniform", seed, stream, number)


def normal(seed: int, stream: int, number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Draws from the standard normal distribution, one for each number of an event; arguments as of `uniform`."""
    return _by_number("normal", seed, stream, number)


def _by_number(kind: Distribution, seed: int, stream: int, number: NDArray[np.int64]) -> NDArray[np.float64]:
    blocks, places = np.divmod(number, BLOCK)
    draws = np.empty(len(number))
    for block in np.unique(blocks).tolist():
        rows = blocks == block
        draws[rows] = _block(kind, seed, stream, block)[places[rows]]
    return draws


@functools.lru_cache(maxsize=32)
def _block(kind: Distribution, seed: int, stream: int, block: int) -> NDArray[np.float64]:
    generator = np.random.default_rng([seed, stream, block])
    draws = generator.random(BLOCK) if kind == "uniform" else generator.standard_normal(BLOCK)
    draws.flags.writeable = False
    return draws


def uniform_of_ids(seed: int, stream: int, ids: NDArray[np.object_]) -> NDArray[np.float64]:
    """Draws from [0, 1), one for each id, such as a user's or an item's; arguments as of `uniform`.

    Example:
        >>> uniform_of_ids(1, 2, np.array(["ann", "bob", "ann"], dtype=object)).round(3).tolist()
        [0.31, 0.419, 0.31]
    """
    draw = functools.partial(_of_id, seed, stream)
    return np.fromiter(map(draw, ids.tolist()), dtype=np.float64, count=len(ids))


@functools.lru_cache(maxsize=65536)
def _of_id(seed: int, stream: int, text: str | None) -> float:
    key = seed.to_bytes(8, "little") + stream.to_bytes(8, "little")
    digest = hashlib.blake2b(str(text).encode(), digest_size=8, key=key).digest()
    # The upper 53 bits, as many as a float holds.
    return float((int.from_bytes(digest, "little") >> 11) / 2**53)


def mapped(ids: NDArray[np.object_], function: Callable[[str], str]) -> NDArray[np.object_]:
    """Array of the function's value for each id; an id that is missing stays so."""
    values = np.empty(len(ids), dtype=object)
    values[:] = [None if each is None else function(each) for each in ids.tolist()]
    return values
