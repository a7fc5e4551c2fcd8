from collections.abc import Iterable

from typing_extensions import Buffer

def travels(
    name: str, hyper: tuple[float, ...], target: float, score: float, times: Iterable[float]
) -> list[float]: ...
def evaluate(
    name: str, hyper: tuple[float, ...], targets: Buffer, scores: Buffer, adapt: bool = True
) -> tuple[list[float], list[float]]: ...
