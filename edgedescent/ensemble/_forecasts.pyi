from typing_extensions import disjoint_base

from edgedescent.ensemble._keyed_labels import KeyedLabels
from edgedescent.ensemble._label_history import LabelHistory
from edgedescent.ensemble._member import Member

@disjoint_base
class Forecasts(Member):
    @property
    def history(self) -> LabelHistory: ...
    @property
    def keyed(self) -> KeyedLabels: ...
    def __init__(self, history: LabelHistory, keyed: KeyedLabels) -> None: ...
