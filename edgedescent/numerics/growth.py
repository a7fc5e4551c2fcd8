"""Growth of tables that have a bound."""

from __future__ import annotations


def grown(rows: int, needed: int, rows_max: int) -> int:
    """Number of rows to which a full table grows.

    It is twice as many, so that the cost of copying stays in proportion, and no more than the table may ever need.

    Args:
        rows: Number of rows that it has.
        needed: Number of rows that it needs now.
        rows_max: Number of rows that it may ever need.

    Example:
        >>> grown(16, 17, 1000), grown(800, 801, 1000)
        (32, 1000)
    """
    return max(needed, min(2 * rows, rows_max))
