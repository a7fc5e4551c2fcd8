from typing_extensions import disjoint_base

from edgedescent.ensemble._label_history import LabelHistory
from edgedescent.ensemble._member import Member

@disjoint_base
class Forecasts(Member):
    @property
    def history(self) -> LabelHistory: ...
    def __init__(self, history: LabelHistory) -> None: ...
