"""Peers: baselines and learners of other libraries, for comparison in the same run.

A new peer is one file with a class derived from `Peer`, and a line in `PEERS`.
"""

from __future__ import annotations

from edgedescent.registry import Registry
from edgedescent_sims.peers.base import Peer

__all__ = ["PEERS", "Peer"]

PEERS: Registry[type[Peer]] = Registry(
    "peer",
    "edgedescent.peers",
    {
        "LastValue": "edgedescent_sims.peers.baselines:LastValue",
        "SeasonalLastValue": "edgedescent_sims.peers.baselines:SeasonalLastValue",
        "RunningMean": "edgedescent_sims.peers.baselines:RunningMean",
        "RiverLinear": "edgedescent_sims.peers.river_linear:RiverLinear",
        "RiverHoeffdingAdaptiveTree": "edgedescent_sims.peers.river_trees:RiverHoeffdingAdaptiveTree",
        "RiverARF": "edgedescent_sims.peers.river_trees:RiverARF",
        "RiverAMF": "edgedescent_sims.peers.river_trees:RiverAMF",
        "SGBR": "edgedescent_sims.peers.sgbr:SGBR",
        "VowpalWabbit": "edgedescent_sims.peers.vowpal_wabbit:VowpalWabbit",
        "Popularity": "edgedescent_sims.peers.popularity:Popularity",
        "RiverBaseline": "edgedescent_sims.peers.river_ratings:RiverBaseline",
        "RiverBiasedMF": "edgedescent_sims.peers.river_ratings:RiverBiasedMF",
    },
    base=Peer,
)
"""Peers by name."""
