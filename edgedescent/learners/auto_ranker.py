"""Automatic ranker: a mixture that needs no tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.learners.ranker import Ranker

HORIZONS = (50.0, 200.0, 700.0, 2000.0, 10_000.0, 100_000.0)
"""Horizons of the popularity, in events."""


@dataclass(kw_only=True, eq=False, repr=False)
class AutoRanker(Ranker):
    """Ranking of items from what was chosen, without tuning: popularity, neighbours, sessions, factors, mixed online.

    The score of an item is a sum of the logarithms of its popularity over six horizons, of its age, of its similarity
    to the user's latest items (`ItemNeighbours`), of how often it follows them, over three horizons
    (`SessionCooccurrence`), of whether the user had it already, and of the score s of latent factors::

        f_i = Σ_a Σ_b c_a W_ab x_ib                                    s_ui = b_i + Σ p_u q_i

    The factors are learned as those of `BPR`, from each choice beside four items drawn from the latest 1,000 choices of
    all users. So s is about how much likelier the user is to choose the item than others are now. The factors of a new
    user, and the score of an unknown item, are 0; the first choice of an item teaches none.

    The weights depend on the user's context c: whether the user is new, the number of choices so far, how popular and
    how old the chosen items were, and how long ago the last choice was. They are learned as a conditional logit of the
    chosen item among an unknown one, the user's latest items, and the 100 best others by a score with constant weights.
    `recommend` finds the 100 best in the same way, and sorts them by f.

    The cost of an event does not grow with the catalogue: of n items, those by which the weights are learned are found
    among the 400 that were most popular within the last 1 + n // 256 events and those near the user's latest items, and
    one event in 1 + n // 8000 teaches the weights. All events count for the features.

    `y` is the weight of a choice, such as a number of plays, relative to the mean of all. An event whose `y` is not
    above 0 is counted and skipped. A prediction is the probability that the user prefers the item to an unknown one.

    Users and items can appear at any time: a new user gets what is popular, a new item is ranked from its first event.
    Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or `y` is not a
            number. A rejected event changes nothing.

    Example:
        >>> from edgedescent import AutoRanker
        >>> ranker = AutoRanker()
        >>> for i in range(300):
        ...     for item in (("tea", "scones"), ("beer", "crisps"))[i % 2]:
        ...         ranker.learn_one(f"user-{i}", item)
        >>> ranker.learn_one("ann", "tea")
        >>> ranker.recommend("ann", k=1, exclude_seen=True)
        ['scones']

    References:
        McFadden 1974, "Conditional logit analysis of qualitative choice behavior", Frontiers in Econometrics.
        Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from Implicit
        Feedback", UAI.
        Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods", Journal of Machine Learning Research 12.
    """

    users_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Number of users that have a row at the same time: 1.3 KiB each")
    ] = 16_000
    items_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Number of items that have a row at the same time: 2.3 KiB each")
    ] = 10_000
    n_neighbours: Annotated[int, Meta(ge=1, le=1000, description="Number of neighbours that an item keeps")] = 64
    latest: Annotated[int, Meta(ge=1, le=1000, description="Number of the user's latest items that count")] = 10
    shrinkage: Annotated[float, Meta(ge=0, description="Number of pairs at which a similarity counts half")] = 5.0
    n_factors: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Number of latent factors: 4 bytes each for a user and an item; 0 leaves them out",
        ),
    ] = 8
    lr: Annotated[float, Meta(gt=0, le=10, description="Learning rate of the weights")] = 0.2

    def horizons(self) -> tuple[float, ...]:
        """Return the horizons of the popularity, in events."""
        return HORIZONS

    def first_weights(self) -> tuple[float, ...]:
        """Return the weights to begin with: of each popularity, the age, the sparse features, and the factors."""
        popularity = [1.0 / len(HORIZONS)] * len(HORIZONS)
        return (*popularity, 0.0, 0.5, 0.3, 0.8, 0.4, 0.3, 0.5, 0.5, *([0.5] if self.n_factors else []))

    def learning_rate(self) -> float:
        """Return the learning rate of the weights."""
        return self.lr
