"""Base class of the learners of users and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, SupportsIndex

from msgspec import Meta

from edgedescent.features._id_encoder import IdEncoder
from edgedescent.features._withdrawn_items import check_ids
from edgedescent.learners import migration
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.base import Learner, State, checked
from edgedescent.ranking.diversity import Categories, diversified
from edgedescent.validation import require_count, require_number

POOL_MIN, POOL_PER_ITEM = 100, 10
"""Number of the best items among which diversity is sought, at least, and for each item of the list."""


@dataclass(kw_only=True, eq=False, repr=False)
class Recommender(CompiledRecommender, Learner):
    """Base class of the learners of users and items (recommenders)."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "ratings"
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        "users_max": migration.table_of("users", "user_"),
        "items_max": migration.table_of("items", "item_"),
        "when_full": migration.goes_on,
        "seen_max": migration.user_history,
        "seed": migration.drawn_later,
    }

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
        """Return counters of users and items that were evicted or got no row.

        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization(users_max=1)
        >>> ranker.learn_one("ann", "tea", 5.0)
        >>> ranker.learn_one("bob", "tea", 4.0)
        >>> ranker.counts()["users_evicted"]
        1
        """
        return {
            "users_evicted": self.encoder.users.evicted,
            "users_shared": self.encoder.users.shared,
            "items_evicted": self.encoder.items.evicted,
            "items_shared": self.encoder.items.shared,
        }

    def set_available(self, item: str | SupportsIndex, available: bool = True) -> None:
        """Withdraw an item from recommendation, or take that back; what is learned of it stays.

        A withdrawn item is in no list, known or not, and is learned from events as before. The items that were
        withdrawn are part of the state. They are twice `items_max` at most: beyond, the older half of those without a
        row is forgotten.

        Args:
            item: Item id.
            available: False to withdraw it.

        Raises:
            ValueError: If the id is neither a string nor an integer, or too long.

        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization()
        >>> for item, rating in (("tea", 5.0), ("milk", 4.0)):
        ...     ranker.learn_one("ann", item, rating)
        >>> ranker.set_available("tea", False)
        >>> ranker.recommend("bob"), ranker.recommend("bob", among=["tea"])
        (['milk'], [])
        >>> ranker.set_available("tea")
        >>> ranker.recommend("bob")
        ['tea', 'milk']
        """
        super().set_available(item, available)

    def state_dict(self) -> State:
        """Return a copy of the learned state by name; `load_state_dict` restores it bit for bit."""
        state, withdrawn = super().state_dict(), self.encoder.withdrawn.save()
        return {**state, "withdrawn": withdrawn} if withdrawn else state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned.

        Raises:
            ValueError: If it is no state of this learner, which is then unchanged.
        """
        rest = dict(state)
        # States without withdrawn items have no such part.
        withdrawn = checked("withdrawn", rest.pop("withdrawn", []), [])
        check_ids(withdrawn)
        super().load_state_dict(rest)
        self.encoder.withdrawn.restore(withdrawn)

    @property
    def n_items(self) -> int:
        """Number of items that have a row: the catalogue.

        >>> from edgedescent import MatrixFactorization
        >>> ranker = MatrixFactorization()
        >>> ranker.learn_one("ann", "tea", 5.0)
        >>> ranker.n_items
        1
        """
        return len(self.encoder.items)

    @property
    def n_available(self) -> int:
        """Number of items that have a row and are not withdrawn."""
        return self.n_items - self.encoder.withdrawn.n_rows

    def recommend(
        self,
        user: str | int,
        k: int = 10,
        exclude: Iterable[str | int] = (),
        *,
        among: Iterable[str | int] | None = None,
        exclude_seen: bool = False,
        categories: Categories | None = None,
        per_category: int | None = None,
        diversity: float = 0.0,
    ) -> list[str]:
        """Return the `k` items with the highest scores for `user`, best first; ties in order of appearance.

        The result is exact: every item is scored, but for those that are withdrawn (`set_available`). Scores are
        compared before clipping to the range of ratings.

        Args:
            user: User id. For an unknown user, the ranking depends only on the biases (the popularity) of the items.
            k: Maximum number of items, >= 1.
            exclude: Items to leave out.
            among: Items to rank, known or unknown; all known items if not given.
            exclude_seen: True to leave out the latest `seen_max` items that were learned with the user.
            categories: Category, or categories, of each item by its id.
            per_category: Largest number of items of a category; None for no cap.
            diversity: Weight, from 0 to 1, of the difference from the items before in the list, against the place by
                score: maximal marginal relevance among the best 100, or 10 `k` if these are more
                (`edgedescent.ranking.diversity`).

        Raises:
            ValueError: If `k` or `per_category` is less than 1, an id is neither a string nor an integer or too long,
                `exclude` or `among` is a string, `diversity` is not from 0 to 1, or either of these is given without
                `categories`.

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
        >>> kinds = {"tea": "hot", "milk": "cold", "beer": "cold"}
        >>> ranker.recommend("bob", categories=kinds, per_category=1)
        ['tea', 'milk']
        """
        require_count("recommend", "k", k, at_least=1)
        for name, ids in (("exclude", exclude), ("among", among)):
            if isinstance(ids, str):
                # A ValueError, as for every other value that is refused.
                message = f"`{name}` of recommend must be a list of item ids. Got the string {ids!r:.80}."
                raise ValueError(message)  # noqa: TRY004
        excluded = tuple(exclude)
        if per_category is None and not diversity:
            return self._recommend(user, k, excluded, among, exclude_seen)
        if per_category is not None:
            require_count("recommend", "per_category", per_category, at_least=1)
        require_number("recommend", "diversity", diversity, at_least=0.0, at_most=1.0)
        if categories is None:
            message = "`per_category` and `diversity` of recommend need `categories`: expected a category by item id."
            raise ValueError(message)
        candidates = None if among is None else tuple(among)
        # Only the best are traded for diversity; those behind them come where a cap leaves too few.
        pool = head = max(POOL_MIN, POOL_PER_ITEM * k)
        while True:
            ranked = self._recommend(user, pool, excluded, candidates, exclude_seen)
            chosen = diversified(ranked, k, categories, per_category=per_category, diversity=diversity, head=head)
            if len(chosen) == k or len(ranked) < pool:
                return chosen
            pool *= 4

    def reasons(self, user: str | int, item: str | int, n: int = 3) -> dict[str, float]:
        """Return the items of a user because of which an item is recommended, with their parts in its score.

        Only learners with neighbours of items know any (`ItemNeighbours`, `SessionCooccurrence`, `AutoRanker`): a part
        is what the score would lose without that item, where the logarithms of neighbours are divided in proportion.
        Popularity and age of an item are no reasons of a user, so that there may be none.

        Args:
            user: User id.
            item: Id of the item that is recommended.
            n: Largest number of reasons, >= 1.

        Returns:
            Parts above 0 by item id, the largest first.

        Raises:
            ValueError: If `n` is less than 1, or an id is neither a string nor an integer or too long.

        >>> from edgedescent import ItemNeighbours
        >>> ranker = ItemNeighbours()
        >>> for i in range(100):
        ...     for item in (("tea", "scones"), ("beer", "crisps"))[i % 2]:
        ...         ranker.learn_one(f"user-{i}", item)
        >>> for item in ("crisps", "tea"):
        ...     ranker.learn_one("ann", item)
        >>> list(ranker.reasons("ann", "scones"))
        ['tea']
        """
        require_count("reasons", "n", n, at_least=1)
        self.predict_one(user, item)  # it refuses what is no id
        rows = self.encoder.users.row(str(user)), self.encoder.items.row(str(item))
        parts = self._reason_parts(*rows) if all(rows) else {}
        if not parts:
            return {}
        names = self.encoder.items.keys()
        best = sorted((row for row, part in parts.items() if part > 0.0), key=lambda row: -parts[row])
        return {names[row - 1]: parts[row] for row in best[:n]}

    def _reason_parts(self, _user: int, _item: int) -> dict[int, float]:
        """Return the parts of a user's items in the score of an item by row; none without neighbours."""
        return {}

    def _learned(self) -> list[str]:
        return [f"users: {len(self.encoder.users):,}", f"items: {len(self.encoder.items):,}"]
