from edgedescent.interfaces import Delivery

def take_events(
    data: bytes, at: int, generation: int, *, five: bool, count_max: int, bytes_max: int
) -> tuple[list[Delivery], int]: ...
