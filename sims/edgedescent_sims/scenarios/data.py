"""Scenario of recorded data: our learners with their defaults beside baselines that everyone should beat."""

from __future__ import annotations

from typing import Any

from edgedescent.learners import LEARNERS
from edgedescent_sims.peers import PEERS
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.sources.base import Source

CANDIDATES = {"features": ("LinearRegressor", "MLPRegressor"), "ratings": ("MatrixFactorization",)}
BASELINES = {"features": ("LastValue", "RunningMean"), "ratings": ("RunningMean", "Popularity")}


def scenario_of_data(source: Source) -> Scenario:
    """Compare the learners of the source's kind of event with baselines.

    Args:
        source: The data.
    """
    candidates: dict[str, Any] = {name: LEARNERS[name]() for name in CANDIDATES[source.kind]}
    return Scenario(
        name=source.name,
        stresses="recorded data, as it is",
        stream=source,
        candidates=candidates,
        peers={name: PEERS[name]() for name in BASELINES[source.kind]},
    )
