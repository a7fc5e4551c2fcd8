"""A disk that is full for this process: a limit on the size of its files."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_disk(bytes_max: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size for the duration of a `with` block.

    Keep the block short: the log of the tests may be a file too.

    Args:
        bytes_max: Size limit in bytes.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
