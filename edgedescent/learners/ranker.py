"""Base class of the rankers: learners of what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners._ranking_model import RankingModel
from edgedescent.learners._ranking_tables import neighbour_parts
from edgedescent.learners._recommender import CompiledRecommender
from edgedescent.learners.interactions import Interactions
from edgedescent.learners.recommender import Recommender


@dataclass(kw_only=True, eq=False, repr=False)
class Ranker(Interactions, Recommender):
    """Base class of the rankers, which learn from what was chosen and score all items for a user.

    A score is a weighted sum of features: see `edgedescent.learners._ranking_model`. A subclass says which horizons of
    popularity it has and which weights it begins with. `y` is the weight of a choice, such as the number of plays; it
    counts relative to the mean of all, 4 times that at most. A prediction is the probability that the user prefers the
    item to an unknown one.
    """

    migrations: ClassVar[Mapping[str, migration.Rule]] = {**Recommender.migrations}

    seen_max: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Number of different items remembered per user: the latest of them say what comes next, and "
            "`recommend` can leave them out",
        ),
    ] = 128

    def horizons(self) -> tuple[float, ...]:
        """Return the horizons of the popularity, in events."""
        raise NotImplementedError

    def first_weights(self) -> tuple[float, ...]:
        """Return the weights to begin with: of each popularity, of the age, and of the seven sparse features."""
        raise NotImplementedError

    def learning_rate(self) -> float:
        """Return the learning rate of the weights; 0 keeps the first ones."""
        return 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        encoder = self._make_encoder()
        model = RankingModel(
            encoder, self, horizons=self.horizons(), first=self.first_weights(), rate=self.learning_rate()
        )
        CompiledRecommender.__init__(self, encoder, model)

    def _reason_parts(self, user: int, item: int) -> dict[int, float]:
        return neighbour_parts(self.model, user, item)
