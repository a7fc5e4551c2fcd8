"""Networks that evolve within few events."""

from __future__ import annotations

import pytest

from edgedescent.ensemble.members import ALL_LAGS, BUDGETS, LEVEL, EvolutionSpec, Members, NetworkSpec, squares_on_both


def evolving_early(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Give the default budget four small networks of two kinds, one of which is replaced after each `every` events."""
    networks = tuple(
        NetworkSpec((8, 4), n_lags, 7, on_change, takes_values=on_change)
        for n_lags, on_change in ((LEVEL, True), (ALL_LAGS, False)) * 2
    )
    evolution = EvolutionSpec(every, first_events=every)
    monkeypatch.setitem(BUDGETS, "default", Members(networks, squares_on_both(0.999), 0, None, evolution=evolution))
