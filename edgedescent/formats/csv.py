"""Decoder of lines of delimited values."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.errors import InvalidEventError
from edgedescent.formats.decoder import Decoder


@dataclass(frozen=True, kw_only=True)
class CsvDecoder(Decoder):
    """Decoder of one line of values between delimiters: a table by the names of its columns.

    Without names, a value is known by its number, from 0. Values in double quotes may hold the delimiter (RFC 4180).

    Example:
        >>> CsvDecoder(columns=("time", "temp")).decode(b"2026-01-05T10:00:00Z,20.5")
        {'time': '2026-01-05T10:00:00Z', 'temp': '20.5'}
        >>> CsvDecoder(delimiter=";").decode(b"20,5;3")
        {'0': '20,5', '1': '3'}
    """

    columns: Annotated[tuple[str, ...], Meta(max_length=16_384, description="Names of the values, in order")] = ()
    delimiter: Annotated[str, Meta(description="Character between two values")] = ","

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            raise ValueError(f"The `delimiter` of CsvDecoder must be one character. Got {self.delimiter!r}.")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"The `columns` of CsvDecoder must be different. Got {list(self.columns)!r:.80}.")

    def decode(self, payload: bytes) -> object:
        """Texts of a line, by the name or number of their column."""
        try:
            text = payload.decode("utf-8-sig").strip("\0\r\n")
            lines = list(csv.reader([text], delimiter=self.delimiter, strict=True)) if "\n" not in text else []
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidEventError("malformed", f"CSV is malformed: {error}") from error
        if len(lines) != 1:
            raise InvalidEventError("malformed", "CSV is malformed: expected one line.")
        values = lines[0]
        names = self.columns or [str(i) for i in range(len(values))]
        if len(names) != len(values):
            raise InvalidEventError(
                "malformed", f"CSV is malformed: expected {len(names)} values, got {len(values)} in {text!r:.80}."
            )
        return dict(zip(names, values, strict=True))
