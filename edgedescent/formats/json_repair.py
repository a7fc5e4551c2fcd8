"""Repair of JSON messages: the places of the events in one that no decoder takes as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable

from edgedescent.formats._json_scan import element_end

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SPACE = b" \t\r\n"
BLANK = SPACE + b"\0"
"""White space, and the NUL that senders in C leave at the end."""
SCANS_MAX = 4
"""Bound on the work: the bytes that are looked at, relative to those of the message, before every cut counts."""

_next_event = re.compile(rb',(?=\s*\{\s*["\'](?:x|y|id|user|item)["\']\s*:)')
"""Comma before an event, even if a quote or bracket is missing before it."""
_field = re.compile(rb'\s*"[^"\\]*"\s*:')
"""Beginning of a field, which is no element of an array: there is a bracket too many before it."""

Extents = list[tuple[int, int]]
"""Start and end of each part of a message."""


def stripped(payload: bytes) -> bytes:
    """A message without byte-order mark, and without blanks and NULs around it."""
    return payload.removeprefix(BYTE_ORDER_MARK).lstrip(SPACE).rstrip(BLANK)


def split_lines(text: bytes) -> Extents | None:
    """Lines of JSON that are not blank; None if the text is no JSON lines.

    It is where the first line is a complete object, or each line begins one: a single event that is laid out over many
    lines is neither.
    """
    extents: Extents = []
    start = 0
    for line in text.split(b"\n"):
        if line.strip(BLANK):
            extents.append((start, start + len(line)))
        start += len(line) + 1
    if len(extents) < 2:
        return None
    if all(text[start:end].lstrip(BLANK).startswith(b"{") for start, end in extents):
        return extents
    first = text[slice(*extents[0])].strip(BLANK)
    # A comma behind it ends it only if its brackets and strings are balanced.
    return extents if first.startswith(b"{") and element_end(first + b",", 0) == len(first) else None


def split_array(text: bytes, is_broken: Callable[[bytes], bool], many: int) -> tuple[Extents, int | None]:
    """Elements of an array that is malformed somewhere, so that each broken one costs itself alone.

    An element ends at the comma behind its last bracket. Where brackets or quotes are missing, that comma is far off; a
    broken element is cut where the next event begins.

    Args:
        text: JSON that begins with ``[``.
        is_broken: whether an element is malformed.
        many: bound on the elements; the work ends with the first one more.

    Returns:
        The extents of the elements, and the position behind the array, None if it has no end. A comma at its end is
        no element.
    """
    extents: Extents = []
    at, n_scanned = 1, 0
    can_cut, view = True, memoryview(text)
    while True:
        cut = None
        if n_scanned > SCANS_MAX * len(text) and can_cut:
            cut = _cut(text, at, len(text))
            can_cut = cut is not None
        end = element_end(text if cut is None else view[:cut], at)
        if cut is None:
            n_scanned += end - at
            if can_cut and (n_scanned > SCANS_MAX * len(text) or is_broken(text[at:end])):
                end = _cut(text, at, end) or end
        is_last = end == len(text) or text[end] == ord("]")
        if extents and _field.match(text, at, end):
            extents[-1] = (extents[-1][0], end)
        elif text[at:end].strip(BLANK) or not is_last:
            extents.append((at, end))
        if is_last or len(extents) > many:
            return extents, end + 1 if end < len(text) else None
        at = end + 1


def _cut(text: bytes, start: int, end: int) -> int | None:
    """Position of the first comma before another event."""
    found = _next_event.search(text, start, end)
    return None if found is None else found.start()
