from typing import Any

from typing_extensions import disjoint_base

from edgedescent.features._id_encoder import IdEncoder
from edgedescent.learners._recommender_model import RecommenderModel
from edgedescent.ranking._choice_factors import ChoiceFactors
from edgedescent.ranking._choice_weights import ChoiceWeights
from edgedescent.ranking._decayed_counts import DecayedCounts
from edgedescent.ranking._pair_table import PairTable
from edgedescent.ranking._popular_rows import PopularRows
from edgedescent.ranking._user_habits import UserHabits

@disjoint_base
class RankingModel(RecommenderModel):
    @property
    def popularity(self) -> DecayedCounts: ...
    @property
    def together(self) -> PairTable: ...
    @property
    def following(self) -> PairTable: ...
    @property
    def popular(self) -> PopularRows: ...
    @property
    def habits(self) -> UserHabits: ...
    @property
    def choice(self) -> ChoiceWeights: ...
    @property
    def factors(self) -> ChoiceFactors | None: ...
    @property
    def mean_weight(self) -> float: ...
    def __init__(
        self,
        encoder: IdEncoder,
        parameters: Any,
        *,
        horizons: tuple[float, ...],
        first: tuple[float, ...],
        rate: float,
    ) -> None: ...
    def save(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
