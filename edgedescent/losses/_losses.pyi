from collections.abc import Iterable

from typing_extensions import Buffer

from edgedescent.losses.base import Loss

def travels(declared: Loss, target: float, score: float, times: Iterable[float]) -> list[float]: ...
def evaluate(
    declared: Loss, targets: Buffer, scores: Buffer, adapt: bool = True
) -> tuple[list[float], list[float]]: ...
