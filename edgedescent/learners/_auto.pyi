from typing import Any

from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from edgedescent.ensemble._event_ring import EventRing
from edgedescent.ensemble._keyed_labels import KeyedLabels
from edgedescent.ensemble._label_guard import LabelGuard
from edgedescent.ensemble._label_history import LabelHistory
from edgedescent.ensemble._member import Member
from edgedescent.ensemble._mixture import Mixture
from edgedescent.features._encoder import Encoder
from edgedescent.features._scaler import Scaler
from edgedescent.learners._feature_model import FeatureModel

@disjoint_base
class AutoModel(FeatureModel):
    @property
    def history(self) -> LabelHistory: ...
    @property
    def guard(self) -> LabelGuard: ...
    @property
    def keyed(self) -> KeyedLabels: ...
    @property
    def watch(self) -> Scaler: ...
    @property
    def mixture(self) -> Mixture: ...
    @property
    def ring(self) -> EventRing: ...
    @property
    def members(self) -> dict[str, Member]: ...
    def append_labels(self, labels: ArrayLike) -> None: ...
    def names(self) -> list[str]: ...
    def __init__(self, encoder: Encoder, parameters: Any) -> None: ...
