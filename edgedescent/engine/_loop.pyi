from collections import Counter

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine.messages import Prediction
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
    def __init__(self, learner: Learner, payload_format: Format, seen: DedupWindow | None) -> None: ...
    def run(
        self,
        events: EventCursor,
        message: bytes,
        redelivered: bool,
        errors: Prequential,
        counters: Counter[str],
        events_max: int,
    ) -> list[Prediction]: ...
    def skip_to(self, events: EventCursor, place: int) -> None: ...

def learn_each_line(learner: Learner, lines: JsonLines) -> NDArray[np.float64]: ...
