"""Peers: baselines and learners of other libraries, for comparison in the same run.

A new peer is one file with a class derived from `Peer`, and a line in `PEERS`.
"""

from __future__ import annotations

from edgedescent.registry import Registry, exported
from edgedescent_sims.peers.asml import ASML
from edgedescent_sims.peers.base import Peer
from edgedescent_sims.peers.baselines import LastValue, RunningMean, SeasonalLastValue
from edgedescent_sims.peers.popularity import Popularity
from edgedescent_sims.peers.river_linear import RiverLinear
from edgedescent_sims.peers.river_ratings import RiverBaseline, RiverBiasedMF
from edgedescent_sims.peers.river_trees import RiverAMF, RiverARF, RiverHoeffdingAdaptiveTree
from edgedescent_sims.peers.sgbr import SGBR
from edgedescent_sims.peers.vowpal_wabbit import VowpalWabbit

__all__ = [
    "ASML",
    "PEERS",
    "SGBR",
    "LastValue",
    "Peer",
    "Popularity",
    "RiverAMF",
    "RiverARF",
    "RiverBaseline",
    "RiverBiasedMF",
    "RiverHoeffdingAdaptiveTree",
    "RiverLinear",
    "RunningMean",
    "SeasonalLastValue",
    "VowpalWabbit",
]

PEERS: Registry[type[Peer]] = Registry("peer", "edgedescent.peers", exported(__name__, globals(), Peer), base=Peer)
"""Peers by name. They import their libraries at the first event."""
