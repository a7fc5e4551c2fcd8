"""Columns that give the target of a table away, such as two parts of which it is the sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_ROWS_MIN = 30
_COLUMNS_MAX = 5
"""Most columns that are looked for: a target is seldom the sum of more."""
_UNEXPLAINED_MAX = 0.01
"""Largest share of the squares of the target, and of its changes from row to row, that is left unexplained."""


def giving_away(columns: Mapping[str, NDArray[np.float64]], y: NDArray[np.float64]) -> list[str]:
    """Return the columns whose weighted sum is almost exactly the target; none if there are no such columns.

    Columns are added one by one, each time the one most like what is unexplained so far (orthogonal matching pursuit),
    and then those that are not needed are left out. To be given away, the changes of the target from row to row must be
    explained too: an earlier value of a target that moves slowly explains the target, but is known before it.

    Args:
        columns: Numbers of each column, shape (n_rows,), NaN where one is missing.
        y: Targets, shape (n_rows,).

    Example:
        >>> rng = np.random.default_rng(1)
        >>> columns = {name: rng.normal(size=200) for name in ("casual", "registered", "temp")}
        >>> giving_away(columns, columns["casual"] + columns["registered"])
        ['casual', 'registered']

    References:
        Pati, Rezaiifar and Krishnaprasad 1993, "Orthogonal Matching Pursuit", Asilomar Conference.
    """
    present = np.isfinite(y)
    y = y[present]
    if len(y) < _ROWS_MIN:
        return []
    # The changes beside a trend, which the last value and its change explain.
    changes = np.diff(y) - np.diff(y).mean()
    bound = _UNEXPLAINED_MAX * min(_squares(y - y.mean()), _squares(changes) / 2.0)
    if bound <= 1e-12 * _squares(y):
        return []
    usable: dict[str, NDArray[np.float64]] = {}
    for name, values in columns.items():
        column = values[present]
        known = column[np.isfinite(column)]
        if len(known) and known.std() > 0.0:
            usable[name] = np.where(np.isfinite(column), (column - known.mean()) / known.std(), 0.0)
    chosen: list[str] = []
    left = y - y.mean()
    while len(chosen) < min(_COLUMNS_MAX, len(usable)) and _squares(left) > bound:
        rest = [name for name in usable if name not in chosen]
        chosen.append(max(rest, key=lambda name: abs(float(usable[name] @ left))))
        left = _residual(usable, chosen, y)
    if _squares(left) > bound:
        return []
    for name in list(chosen):
        others = [other for other in chosen if other != name]
        if others and _squares(_residual(usable, others, y)) <= bound:
            chosen = others
    return sorted(chosen)


def _residual(
    columns: Mapping[str, NDArray[np.float64]], names: list[str], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Residuals of the target after a weighted sum of columns."""
    matrix = np.column_stack([np.ones(len(y)), *(columns[name] for name in names)])
    residual: NDArray[np.float64] = y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]
    return residual


def _squares(values: NDArray[np.float64]) -> float:
    return float(values @ values)
