"""Base class of the learners of users and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from msgspec import Meta

from edgedescent.features._id_encoder import IdEncoder
from edgedescent.learners import migration
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.base import Learner
from edgedescent.learners.explaining import explained
from edgedescent.optim import CountedSGD, Optimizer
from edgedescent.validation import require_count


@dataclass(kw_only=True, eq=False, repr=False)
class Recommender(CompiledRecommender, Learner):
    """Base class of the learners of users and items (recommenders)."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "ratings"
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        "optimizer": migration.optimizer,
        "l2_bias": migration.goes_on,
        "l2_factors": migration.goes_on,
        "init_scale": migration.drawn_later,
        "users_max": migration.table_of("users", "user_"),
        "items_max": migration.table_of("items", "item_"),
        "when_full": migration.goes_on,
        "replay_size": migration.replay_buffer,
        "replay_steps": migration.replay_buffer,
        "seen_max": migration.user_history,
        "seed": migration.drawn_later,
    }

    n_factors: Annotated[int, Meta(ge=1, le=1024, description="Number of latent factors")] = 10
    optimizer: Annotated[Optimizer, Meta(description="Step rule")] = CountedSGD(lr=0.3)  # noqa: RUF009 - immutable
    l2_bias: Annotated[float, Meta(ge=0, description="Weight of the penalty on biases")] = 0.005
    l2_factors: Annotated[float, Meta(ge=0, description="Weight of the penalty on factors")] = 0.05
    init_scale: Annotated[float, Meta(ge=0, description="Standard deviation of the first factors")] = 0.03
    users_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Number of users that have a row at the same time")
    ] = 25_000
    items_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Number of items that have a row at the same time")
    ] = 25_000
    when_full: Annotated[
        Literal["evict", "share"],
        Meta(
            description="What a further id gets in a full table: the row of the least used id, once it came more often "
            'lately than that one (``"evict"``), or no row, so that it is predicted like any unknown one '
            '(``"share"``). Both are counted'
        ),
    ] = "evict"
    replay_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Number of the latest events that are kept for replay")
    ] = 2000
    replay_steps: Annotated[
        int,
        Meta(ge=0, le=1000, description="Number of kept events, drawn at random, that are learned again after each"),
    ] = 0
    seen_max: Annotated[
        int,
        Meta(
            ge=0, le=10_000, description="Number of different items remembered per user, for `recommend` to leave out"
        ),
    ] = 32
    seed: Annotated[int, Meta(ge=0, le=2**62, description="Seed of the first factors and of all draws")] = 1

    def _become(self, other: Self) -> None:
        self._take(other)
        super()._become(other)

    def _make_encoder(self) -> IdEncoder:
        return IdEncoder(
            users_max=self.users_max, items_max=self.items_max, when_full=self.when_full, seen_max=self.seen_max
        )

    def counts(self) -> dict[str, int]:
        """Return counters of undone updates, and of users and items that were evicted or got no row.

        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization(users_max=1)
        >>> ranker.learn_one("ann", "tea", 5.0)
        >>> ranker.learn_one("bob", "tea", 4.0)
        >>> ranker.counts()["users_evicted"]
        1
        """
        return {
            "updates_undone": self.model.stepper.n_undone,
            "users_evicted": self.encoder.users.evicted,
            "users_shared": self.encoder.users.shared,
            "items_evicted": self.encoder.items.evicted,
            "items_shared": self.encoder.items.shared,
        }

    def recommend(
        self,
        user: str | int,
        k: int = 10,
        exclude: Iterable[str | int] = (),
        *,
        among: Iterable[str | int] | None = None,
        exclude_seen: bool = False,
    ) -> list[str]:
        """Return the `k` items with the highest scores for `user`, best first; ties in order of appearance.

        The result is exact: every item is scored. Scores are compared before clipping to the range of ratings.

        Args:
            user: User id. For an unknown user, the ranking depends only on the biases (the popularity) of the items.
            k: Maximum number of items, >= 1.
            exclude: Items to leave out.
            among: Items to rank, known or unknown; all known items if not given.
            exclude_seen: True to leave out the latest `seen_max` items that were learned with the user.

        Raises:
            ValueError: If `k` is less than 1, an id is neither a string nor an integer, or a single text is given for
                several items.

        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization()
        >>> for item, rating in (("tea", 5.0), ("milk", 4.0), ("beer", 1.0)):
        ...     ranker.learn_one("ann", item, rating)
        >>> ranker.recommend("bob", k=2)
        ['tea', 'milk']
        >>> ranker.recommend("bob", among=["beer", "milk"])
        ['milk', 'beer']
        >>> ranker.recommend("ann", exclude_seen=True)
        []
        """
        require_count("recommend", "k", k, at_least=1)
        for name, items in (("exclude", exclude), ("among", among)):
            if isinstance(items, str):
                # A text is a sequence of letters too, but not one that was meant.
                raise ValueError(  # noqa: TRY004 - every wrong argument raises the same error
                    f"The `{name}` of recommend must be several items, such as [{items!r}]. Got {items!r}."
                )
        return self._recommend(user, k, tuple(exclude), among, exclude_seen)

    def explain_one(self, user: str | int, item: str | int) -> dict[str, float]:
        """Return the contributions of user, item and their taste to a prediction; they add up to it.

        ::

            f = b_user + b_item + Σ p_user q_item

        ``(intercept)`` is the prediction for an unknown user and an unknown item. Where ratings are clipped to those
        seen, and for a probability, the three contributions are multiplied by one factor, so that they add up.

        Args:
            user: User id.
            item: Item id.

        Returns:
            Contributions named ``(intercept)``, ``user``, ``item`` and ``taste``, which is the product of the factors.

        Raises:
            ValueError: If an id is neither a string nor an integer.

        Example:
            >>> from edgedescent import MatrixFactorization
            >>> ranker = MatrixFactorization()
            >>> for user, item, rating in (("ann", "tea", 5.0), ("bob", "tea", 4.0), ("bob", "beer", 1.0)) * 50:
            ...     ranker.learn_one(user, item, rating)
            >>> parts = ranker.explain_one("bob", "beer")
            >>> round(sum(parts.values()) - ranker.predict_one("bob", "beer"), 9), parts["item"] < 0.0
            (0.0, True)
        """
        prediction, model = self.predict_one(user, item), self.model
        u, i = self.encoder.users.row(str(user)), self.encoder.items.row(str(item))
        users, items = model.user_rows.serving, model.item_rows.serving
        shares = np.array([users[u, 0] - users[0, 0], items[i, 0] - items[0, 0], users[u, 1:] @ items[i, 1:]])
        return explained(prediction, ["user", "item", "taste"], shares, model.rated(0, 0), 0.0)

    def _learned(self) -> list[str]:
        return [f"users: {len(self.encoder.users.keys()):,}", f"items: {len(self.encoder.items.keys()):,}"]
