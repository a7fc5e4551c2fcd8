from typing_extensions import Buffer, disjoint_base

from edgedescent.formats._cursor import EventCursor
from edgedescent.formats.json import JsonFormat

@disjoint_base
class JsonCursor(EventCursor):
    def __init__(self, json_format: JsonFormat) -> None: ...

@disjoint_base
class JsonReader(JsonCursor):
    def __init__(self, json_format: JsonFormat, bytes_max: int, events_max: int) -> None: ...

@disjoint_base
class JsonLines(JsonCursor):
    def __init__(self, json_format: JsonFormat, text: Buffer) -> None: ...
