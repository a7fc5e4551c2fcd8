from typing_extensions import disjoint_base

from edgedescent.formats.base import Rejected
from edgedescent.formats.events import Event

@disjoint_base
class EventCursor:
    @property
    def is_array(self) -> bool: ...
    @property
    def rejected(self) -> list[Rejected]: ...
    @property
    def index(self) -> int: ...
    def open(self, message: bytes) -> bool: ...

@disjoint_base
class Piece(EventCursor):
    @property
    def events(self) -> list[tuple[int, Event]]: ...
    def __init__(self, events: list[tuple[int, Event]], rejected: list[Rejected], is_array: bool = False) -> None: ...
