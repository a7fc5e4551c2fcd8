"""River's recommenders."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.peers.base import library
from edgedescent_sims.peers.ranker import Ranker
from edgedescent_sims.peers.river_trees import SEED_MAX


@dataclass(kw_only=True, eq=False)
class RiverRanker(Ranker):
    """Base class of peers that are recommenders of River; a subclass makes its model in `_recommender`.

    River's models add unknown ids to their tables when they predict. Here they are removed again, and the random
    numbers that were drawn for them are put back.
    """

    lr: Annotated[float, Meta(gt=0, description="Learning rate of SGD")] = 0.025

    @abstractmethod
    def _recommender(self, reco: Any, optim: Any) -> Any:
        """Make River's recommender.

        Args:
            reco: The module river.reco.
            optim: The module river.optim.
        """

    def _start(self) -> None:
        super()._start()
        reco, optim = (library(f"river.{name}", self._name, "river") for name in ("reco", "optim"))
        self.model: Any = self._recommender(reco, optim)

    def _predict(self, *event: Any) -> float:
        user, item = event
        model = self.model
        is_known = user in model.u_biases, item in model.i_biases
        if all(is_known):
            with np.errstate(all="ignore"):
                return float(model.predict_one(user, item))
        random = getattr(getattr(model, "latent_initializer", None), "_rng", None)
        before = random.get_state(legacy=False) if random is not None else None
        with np.errstate(all="ignore"):
            prediction = float(model.predict_one(user, item))
        for known, key, kind in zip(is_known, (user, item), "ui", strict=True):
            if not known:
                for table in (f"{kind}_biases", f"{kind}_latents"):
                    getattr(model, table, {}).pop(key, None)
        if random is not None:
            random.set_state(before)
        return prediction

    def _learn(self, *event_and_label: Any) -> None:
        user, item, y = event_and_label
        self._remember(user, item)
        with np.errstate(all="ignore"):
            self.model.learn_one(user, item, y)

    def _scores(self, user: str) -> NDArray[np.float64]:  # noqa: ARG002 - by default the same for all users
        # River's table and ours hold the same items in the same order, that of their first rating.
        return np.fromiter(self.model.i_biases.values(), dtype=np.float64, count=len(self._names))


@dataclass(kw_only=True, eq=False)
class RiverBaseline(RiverRanker):
    """River's baseline for ratings: the mean, a bias of the user and a bias of the item, trained by SGD.

    Its ranking is by the bias of the item, the same for all users.

    Example:
        >>> peer = RiverBaseline()
        >>> peer.learn_one("ann", "tea", 5.0)
        >>> peer.predict_one("bob", "tea")
        5.0

    References:
        Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender systems", Computer 42(8).
    """

    def _recommender(self, reco: Any, optim: Any) -> Any:
        return reco.Baseline(optimizer=optim.SGD(self.lr))


@dataclass(kw_only=True, eq=False)
class RiverBiasedMF(RiverRanker):
    """River's matrix factorization with biases, trained by SGD.

    Example:
        >>> peer = RiverBiasedMF()
        >>> for _ in range(100):
        ...     peer.learn_one("ann", "tea", 5.0)
        ...     peer.learn_one("ann", "beer", 1.0)
        >>> peer.recommend("ann", exclude_seen=False)
        ['tea', 'beer']

    References:
        Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender systems", Computer 42(8).
    """

    n_factors: Annotated[int, Meta(ge=1, description="Number of latent factors")] = 10
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="Seed of the first values of the factors")] = 71

    def _recommender(self, reco: Any, optim: Any) -> Any:
        return reco.BiasedMF(
            n_factors=self.n_factors,
            bias_optimizer=optim.SGD(self.lr),
            latent_optimizer=optim.SGD(self.lr),
            latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=self.seed),
        )

    def _scores(self, user: str) -> NDArray[np.float64]:
        biases = super()._scores(user)
        own = self.model.u_latents.get(user)
        if own is None or not len(biases):
            # The factors of a user nobody knows are 0 on average.
            return biases
        factors: NDArray[np.float64] = np.stack(list(self.model.i_latents.values())) @ np.asarray(own)
        return biases + factors
