from collections import Counter

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.conformal import PredictionIntervals
from edgedescent.drift import DriftMonitor
from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._quarantine import Quarantine
from edgedescent.engine.messages import Message, Prediction
from edgedescent.engine.recommending import Recommending
from edgedescent.evaluation import Prequential
from edgedescent.formats import Format
from edgedescent.formats._cursor import EventCursor
from edgedescent.formats._json_reader import JsonLines
from edgedescent.learners import Learner

@disjoint_base
class LearningLoop:
    @property
    def takes_raw(self) -> bool: ...
    @property
    def left(self) -> int: ...
    @property
    def reused(self) -> tuple[str, str | int] | None: ...
    def __init__(
        self,
        learner: Learner,
        payload_format: Format,
        seen: DedupWindow | None,
        quarantine: Quarantine | None = None,
        errors: Prequential | None = None,
        counters: Counter[str] | None = None,
        *,
        by_topic: bool = True,
        learns_reused: bool = True,
        intervals: PredictionIntervals | None = None,
        drift: DriftMonitor | None = None,
        recommending: Recommending | None = None,
    ) -> None: ...
    def run(self, events: EventCursor, message: Message, redelivered: bool, events_max: int) -> list[Prediction]: ...
    def skip_to(self, events: EventCursor, place: int) -> None: ...

def learn_each_line(learner: Learner, lines: JsonLines) -> NDArray[np.float64]: ...
