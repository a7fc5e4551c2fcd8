"""Base class of recommenders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from edgedescent.features._id_encoder import IdEncoder
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.base import Learner
from edgedescent.validation import require_count


class Recommender(CompiledRecommender, Learner):
    """Base of the learners of users and items."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "ratings"

    users_max: int
    items_max: int
    when_full: str
    seen_max: int

    def _make_encoder(self) -> IdEncoder:
        return IdEncoder(
            users_max=self.users_max, items_max=self.items_max, when_full=self.when_full, seen_max=self.seen_max
        )

    def counts(self) -> dict[str, int]:
        """How often a guard or a bound stepped in.

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
        """The `k` items with the highest scores for `user`, best first; ties in order of appearance.

        Exact: every item is scored. Scores are compared before predictions are clipped to the ratings seen.

        Args:
            user: an id; for an unknown one the items' biases alone decide, which is to say their popularity.
            k: how many items at most; >= 1.
            exclude: items to leave out.
            among: the only items to rank, known or not; all known items if not given.
            exclude_seen: leave out the latest `seen_max` items that the user was learned with.

        Raises:
            ValueError: if `k` is < 1, or an id is neither a string nor an integer.

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
        return self._recommend(user, k, tuple(exclude), among, exclude_seen)
