from collections import Counter

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._quarantine import Quarantine
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
    def __init__(
        self, learner: Learner, payload_format: Format, seen: DedupWindow | None, quarantine: Quarantine | None = None
    ) -> None: ...
    def run(
        self,
        events: EventCursor,
        message: bytes,
        redelivered: bool,
        errors: Prequential,
        counters: Counter[str],
    ) -> list[Prediction]: ...

def learn_each_line(learner: Learner, lines: JsonLines) -> NDArray[np.float64]: ...
