"""Reader of text files, plain or gzipped, that reports faults in one line."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TextIO, cast

from edgedescent.errors import ConfigError

_SUFFIXES = frozenset({".gz", ".csv", ".tsv", ".dat", ".txt"})
_FIRST_LINE_MAX = 1_000_000


def stem_of(path: Path) -> str:
    """Return a file's name without the suffixes that only say how it is stored.

    >>> stem_of(Path("data/hour.csv.gz"))
    'hour'
    """
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file for reading, gzipped if its name ends in `.gz`.

    Raises:
        ConfigError: If the file cannot be opened, or what is read inside the `with` block is damaged.
    """
    # utf-8-sig drops the byte order mark that spreadsheets put before the first column's name.
    with open_binary(path) as stream, TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a text file for reading its bytes, gzipped if its name ends in `.gz`.

    Raises:
        ConfigError: If the file cannot be opened, or what is read inside the `with` block is damaged.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with cast("IO[bytes]", opener(path, "rb")) as stream:
            yield stream
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path} is not UTF-8 text: {fault}.", hint="Convert it with iconv first.") from fault
    except (OSError, EOFError, zlib.error, csv.Error) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else fault
        raise ConfigError(f"{path} cannot be read: {reason}.") from fault


class LineReader(Iterator[str]):
    r"""Lines of a binary stream of UTF-8 text, with access to the bytes that are still to be read.

    Whoever can read the next lines from `bytes` faster than line by line does so and says how far with `skip_to`.

    Args:
        stream: The stream, such as a file that is opened in binary mode.
        chunk_bytes: Number of bytes that are read at once.

    Example:
        >>> import io
        >>> lines = LineReader(io.BytesIO(b"a,b\n1,2\n3,4\n"))
        >>> next(lines), lines.bytes[lines.position :]
        ('a,b\n', b'1,2\n3,4\n')
        >>> lines.skip_to(lines.position + 4)
        >>> list(lines)
        ['3,4\n']
    """

    def __init__(self, stream: IO[bytes], chunk_bytes: int = 1 << 20) -> None:
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self.bytes = stream.read(chunk_bytes)
        """Bytes that are in memory."""
        self.position = len(codecs.BOM_UTF8) if self.bytes.startswith(codecs.BOM_UTF8) else 0
        """Position in them of the next line."""

    def skip_to(self, position: int) -> None:
        """Go on at a position in `bytes` that begins a line."""
        self.position = position

    def runs_low(self) -> bool:
        """True if little is left in memory, perhaps not even one line."""
        return len(self.bytes) - self.position < self._chunk_bytes // 16

    def fill(self) -> bool:
        """Read more bytes; False at the end of the stream."""
        more = self._stream.read(self._chunk_bytes)
        self.bytes, self.position = self.bytes[self.position :] + more, 0
        return bool(more)

    def __next__(self) -> str:
        while (end := self.bytes.find(b"\n", self.position) + 1) == 0:
            if not self.fill():
                end = len(self.bytes)
                break
        if end == self.position:
            raise StopIteration
        # A carriage return ends a line too, unless the line feed follows it.
        if 0 <= (alone := self.bytes.find(b"\r", self.position, end)) < end - 2:
            end = alone + 1
        line = self.bytes[self.position : end].decode()
        self.position = end
        return line


def first_line(path: Path) -> str:
    """Return the first line of a text file, at most a million characters of it.

    Raises:
        ConfigError: If the file cannot be read.
    """
    with open_text(path) as stream:
        return stream.readline(_FIRST_LINE_MAX)
