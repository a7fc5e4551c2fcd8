import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.engine._copy_window import CopyWindow

NEW: int
AGAIN: int
COPY: int

@disjoint_base
class RedeliveryWindow:
    @property
    def window(self) -> int: ...
    @property
    def n_added(self) -> int: ...
    @property
    def copies(self) -> CopyWindow: ...
    def __init__(self, window: int) -> None: ...
    def connect(self, position: int, session: int, acknowledged: int, first_id: int) -> int: ...
    def note(
        self,
        position: int,
        packet_id: int,
        topic: str,
        payload: bytes,
        duplicate: bool,
        subscriptions: tuple[int, ...] = (),
    ) -> int: ...
    def save(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]: ...
    def restore(self, keys: NDArray[np.uint64], places: NDArray[np.int64], connection: NDArray[np.int64]) -> None: ...
