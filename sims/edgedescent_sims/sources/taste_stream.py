"""Generator of ratings, or of choices, by users and items with latent factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from edgedescent_sims.sources.base import Kind
from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler

_PAIRS_MAX = 20_000_000


@dataclass(kw_only=True, eq=False)
class TasteStream(Generator):
    """Ratings of items by users, from biases and latent factors; items are popular by a Zipf law.

    ::

        affinity(u, i) = spread · (b_u + b_i + p_u · q_i / √n_factors)        b, p, q ~ N(0, 1)
        popularity(i) ∝ rank(i)^(-zipf)
        optimum = clip((low + high) / 2 + affinity(u, i), low, high)
        rating = clip(optimum + noise · N(0, 1), low, high)

    The optimum is the median of the rating, which is the prediction of least absolute error. With `implicit`, users
    choose items instead, and each event has y = 1:

    ::

        P(i | u) ∝ popularity(i) · exp(sharpness · affinity(u, i))

    Users are drawn uniformly. Names are ``u0``, ``u1``, … and ``i0``, ``i1``, …, independent of rank and factors.

    Raises:
        ValueError: If there are more than 20 million pairs, or the scale is empty.

    Example:
        >>> next(TasteStream(seed=3).events())["user"]
        'u20'
    """

    noise: Annotated[float, Meta(ge=0.0, description="Standard deviation of the noise in a rating")] = 0.5
    n_users: Annotated[int, Meta(ge=1, description="Number of users")] = 200
    n_items: Annotated[int, Meta(ge=1, description="Number of items")] = 500
    n_factors: Annotated[int, Meta(ge=1, description="Number of latent factors")] = 4
    spread: Annotated[float, Meta(ge=0.0, description="Scale of the affinities")] = 0.7
    low: Annotated[float, Meta(description="Lowest rating")] = 1.0
    high: Annotated[float, Meta(description="Highest rating")] = 5.0
    zipf: Annotated[float, Meta(ge=0.0, description="Exponent of the popularity of items; 0 makes all alike")] = 1.0
    implicit: Annotated[bool, Meta(description="Whether events are choices with y = 1 instead of ratings")] = False
    sharpness: Annotated[float, Meta(ge=0.0, description="Weight of the affinity in a choice")] = 2.0

    KIND: ClassVar[Kind] = "ratings"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_users * self.n_items > _PAIRS_MAX:
            raise ValueError(
                f"The `n_users` of TasteStream times its `n_items` must be <= {_PAIRS_MAX}. "
                f"Got {self.n_users * self.n_items}."
            )
        if self.low >= self.high:
            raise ValueError(f"The `high` of TasteStream must be > `low`, which is {self.low}. Got {self.high}.")

    def affinities(self) -> Numbers:
        """Return the affinity of each user to each item, shape (n_users, n_items)."""
        rng = self.rng(1)
        user_biases, item_biases = rng.standard_normal(self.n_users), rng.standard_normal(self.n_items)
        users = rng.standard_normal((self.n_users, self.n_factors))
        items = rng.standard_normal((self.n_items, self.n_factors))
        common = users @ items.T / self.n_factors**0.5
        return np.asarray(self.spread * (user_biases[:, None] + item_biases + common))

    def popularity(self) -> Numbers:
        """Return the probability of each item where taste plays no part, shape (n_items,)."""
        ranks = 1.0 + self.rng(2).permutation(self.n_items)
        weights = ranks**-self.zipf
        return np.asarray(weights / weights.sum())

    def probabilities(self) -> Numbers:
        """Return the probability with which each user comes upon each item, shape (n_users, n_items)."""
        popularity = self.popularity()
        if not self.implicit:
            return np.tile(popularity, (self.n_users, 1))
        affinities = self.affinities()
        weights = popularity * np.exp(self.sharpness * (affinities - affinities.max(axis=1, keepdims=True)))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        # Row u of the table holds u plus the cumulated probabilities of user u, so that the whole table is sorted, and
        # one search in it finds the items of many users.
        cumulated = np.cumsum(self.probabilities(), axis=1)
        cumulated /= cumulated[:, -1:]
        table = (np.arange(self.n_users)[:, None] + cumulated).ravel()
        ratings = np.clip((self.low + self.high) / 2 + self.affinities(), self.low, self.high)
        users = np.array([f"u{place}" for place in range(self.n_users)], dtype=object)
        items = np.array([f"i{place}" for place in range(self.n_items)], dtype=object)
        rng = self.rng(3)

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            draws = rng.random((len(times), 2))
            user = np.minimum((draws[:, 0] * self.n_users).astype(np.intp), self.n_users - 1)
            pair = np.searchsorted(table, user + draws[:, 1], side="right")
            # A draw next to 1 may be rounded up into the row of the next user.
            item = np.minimum(pair - user * self.n_items, self.n_items - 1)
            columns: dict[str, Column] = {"user": users[user], "item": items[item]}
            return columns, np.ones(len(times)) if self.implicit else ratings[user, item]

        return sample

    def label(self, optimum: Numbers, noise: Numbers) -> Numbers:
        """Return ratings within the scale; choices are all 1."""
        return optimum if self.implicit else np.clip(super().label(optimum, noise), self.low, self.high)
