"""Hostile payloads made from a seed, each with its expected outcome, and good events among them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

LIMIT_BYTES = 1_048_576
EVENTS_MAX = 10_000
NAME_BYTES_MAX = 512
EVENT_VALUES_MAX = 16_384
NESTED_MAX = 16
DEEP = 100_000
"""Beyond what any interpreter recurses."""

Fields = dict[str, bytes]
"""The text of each field of an event, which need not be JSON."""
Fault = Callable[[Fields], str | None]
"""Spoils the fields; returns the reason it is rejected for, None where it must be taken as it is."""

_NO_JSON = [b"NaNs", b"--Infinity", b"01", b"+1", b".5", b"0x10", b"1e", b"-", b"tru", b"", b"1 2", b"1,"]
_NO_STRING = [b'"\xff\xfe"', b'"a\x00b"', b'"a\nb"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"\x41"', b'"open', b"'a'"]
_HUGE = [b"1e400", b"-1e999999", b"9" * 400, b"-" + b"9" * 400]
_ODD_NUMBERS = [
    b"true",
    b"null",
    b'"2.5"',
    b'"off"',
    b'"unavailable"',
    b"NaN",
    b"-Infinity",
    b"Infinity",
    b"nan",
    b"-0.0",
    b"1e-400",
    b"5e-324",
    b"0." + b"0" * 500 + b"1",
    b"9" * 30,
    b"9.9e99",
    b"-9.9e99",
]


class Payload(NamedTuple):
    """What is sent, and what must come of it."""

    topic: str
    data: bytes
    rejected: Counter[str]
    """How many dead letters for which reason."""
    answered: list[str]
    """The ids of the events in it that must be answered, empty where they have none."""


class HostilePayloads:
    """Makes payloads without end.

    Args:
        chance: decides what they are.
        takes: what the learner's events hold.
    """

    def __init__(self, chance: random.Random, takes: str = "features") -> None:
        self._chance = chance
        self._takes = takes
        self._number = 0
        of_values = [self._y_out_of_range, self._y_no_json, self._y_wrong_type, self._y_odd]
        of_ids = [self._id_wrong_type, self._id_no_string, self._id_long]
        of_features = [self._x_missing, self._x_wrong_type, self._list_too_long, self._value_no_json]
        of_features += [
            self._name_long,
            self._value_nested,
            self._value_huge,
            self._value_odd,
            self._name_no_string,
            self._name_odd,
            self._many_names,
        ]
        of_ratings = [self._user_missing, self._user_wrong_type, self._user_no_string, self._user_odd]
        of_ratings += [self._user_long]
        of_both = [self._duplicate_key, self._unknown_key]
        self._faults: list[Fault] = [*of_values, *of_ids, *of_both]
        self._faults += of_features if takes == "features" else of_ratings
        self._wholes = [self._random_bytes, self._cut_short, self._more_behind, self._no_event]
        self._wholes += [self._array, self._array, self._array, self._other_encoding, self._outside]
        self._large = [self._many_features] if takes == "features" else []
        self._large += [
            self._too_large,
            self._too_many,
            self._million,
            self._full,
            self._deep,
            self._deep,
            self._ten_megabytes,
        ]

    def __iter__(self) -> Iterator[Payload]:
        while True:
            kind = self._chance.random()
            if kind < 0.3:
                fields, name = self._good()
                yield self._taken(_joined(fields), [name])
            elif kind < 0.7:
                text, reason, name = self._spoilt()
                yield self._rejected(text, [reason]) if reason else self._taken(text, [name])
            elif kind < 0.995:
                yield self._chance.choice(self._wholes)()
            else:
                yield self._chance.choice(self._large)()

    # --- Events ---------------------------------------------------------------------------------------------------

    def _good(self) -> tuple[Fields, str]:
        """An event that must be answered, and its id."""
        self._number += 1
        number, name = self._number, f"h{self._number}"
        y = f"{20 + number % 13 - number % 7:.1f}".encode()
        if self._takes == "features":
            x = {"temp": 20.0 + number % 13, "load": (number * 7 % 11) / 3}
            return {"id": f'"{name}"'.encode(), "x": json.dumps(x).encode(), "y": y}, name
        return {
            "id": f'"{name}"'.encode(),
            "user": b"%d" % (number % 40),
            "item": b'"i%d"' % (number % 23),
            "y": y,
        }, name

    def _spoilt(self) -> tuple[bytes, str | None, str]:
        fields, _ = self._good()
        reason = self._chance.choice(self._faults)(fields)
        text = _joined(fields)
        if reason is not None:
            return text, reason, ""
        answered = json.loads(fields["id"])
        return text, None, str(answered)

    def _taken(self, data: bytes, answered: list[str]) -> Payload:
        return Payload("events", data, Counter(), answered)

    def _rejected(self, data: bytes, reasons: list[str]) -> Payload:
        return Payload("events", data, Counter(reasons), [])

    # --- What is wrong with one field -----------------------------------------------------------------------------

    def _y_out_of_range(self, fields: Fields) -> str:
        fields["y"] = self._chance.choice([*_HUGE, b"1e101", b"-1e300"])
        return "out_of_range"

    def _y_no_json(self, fields: Fields) -> str:
        fields["y"] = self._chance.choice(_NO_JSON)
        return "malformed"

    def _y_wrong_type(self, fields: Fields) -> str:
        fields["y"] = self._chance.choice([b'"one"', b"[1]", b"{}", b'"1,5"'])
        return "wrong_type"

    def _y_odd(self, fields: Fields) -> None:
        fields["y"] = self._chance.choice(_ODD_NUMBERS)

    def _id_wrong_type(self, fields: Fields) -> str:
        fields["id"] = self._chance.choice([b"1.5", b"true", b"[]", b"{}"])
        return "wrong_type"

    def _id_no_string(self, fields: Fields) -> str:
        fields["id"] = self._chance.choice(_NO_STRING)
        return "malformed"

    def _id_long(self, fields: Fields) -> None:
        tail = self._chance.choice(["x" * self._chance.randint(100, 50_000), "\\u0000", "µ\u20ac\U0001f600", '\\"'])
        fields["id"] = f'"h{self._number}{tail}"'.encode()

    def _duplicate_key(self, fields: Fields) -> None:
        # As in most decoders, the last one counts.
        fields[f"y{self._chance.randint(0, 9)}"] = b'1,"y":2'

    def _unknown_key(self, fields: Fields) -> None:
        fields["note" * self._chance.randint(1, 500)] = self._chance.choice([b"1e99", b'"?"', b"[[[[{}]]]]", b"null"])

    def _x_missing(self, fields: Fields) -> str:
        del fields["x"]
        return "missing_field"

    def _x_wrong_type(self, fields: Fields) -> str:
        fields["x"] = self._chance.choice([b"null", b"[]", b'"a"', b"5", b"true", b'[{"a":1}]'])
        return "wrong_type"

    def _list_too_long(self, fields: Fields) -> str:
        fields["x"] = b'{"temp":20,"a":[%s]}' % b",".join([b"1"] * self._chance.randint(1025, 3000))
        return "too_large"

    def _value_nested(self, fields: Fields) -> str | None:
        depth = self._chance.choice([0, 1, NESTED_MAX, NESTED_MAX + 1, 100, 400, 900])
        fields["x"] = b'{"temp":20,"a":%s}' % (b'{"b":' * depth + b"1" + b"}" * depth)
        return "too_deep" if depth > NESTED_MAX else None

    def _value_no_json(self, fields: Fields) -> str:
        fields["x"] = b'{"temp":20,"a":%s}' % self._chance.choice(_NO_JSON)
        return "malformed"

    def _value_huge(self, fields: Fields) -> str:
        fields["x"] = b'{"temp":20,"a":%s}' % self._chance.choice([b"1e400", b"-1e999999", b"9" * 5000])
        return "out_of_range"

    def _value_odd(self, fields: Fields) -> None:
        odd = [
            *_ODD_NUMBERS,
            b"1e308",
            b"-1e308",
            b"9" * 400,
            b'"hot"',
            b'""',
            rb'"\u0000"',
            b'"NaN"',
            b'"2.5"',
            b"[1]",
            b"[[]]",
        ]
        fields["x"] = b'{"temp":20,"a":%s}' % self._chance.choice(odd)

    def _name_long(self, fields: Fields) -> str:
        long = b"n" * self._chance.randint(NAME_BYTES_MAX + 1, 10_000)
        fields["x"] = self._chance.choice([b'{"temp":20,"%s":1}', b'{"temp":20,"a":"%s"}']) % long
        return "too_large"

    def _name_no_string(self, fields: Fields) -> str:
        fields["x"] = b'{"temp":20,%s:1}' % self._chance.choice([*_NO_STRING, b"1", b"a", b"null"])
        return "malformed"

    def _name_odd(self, fields: Fields) -> None:
        long = "n" * self._chance.randint(100, NAME_BYTES_MAX)
        name = self._chance.choice(["", "\\u0000", long, "x.y", "temp ", "\u20ac", "__class__", "a\\u0000b", "temp\\n"])
        fields["x"] = f'{{"temp":20,"{name}":1}}'.encode()

    def _many_names(self, fields: Fields) -> None:
        # Alike but for their order, which weak hashes do not tell apart, and never seen again.
        letters = [*f"{self._chance.getrandbits(64):x}abc"]
        names = {"".join(self._chance.sample(letters, len(letters))): 1.0 for _ in range(self._chance.randint(10, 300))}
        fields["x"] = json.dumps(names).encode()

    def _user_missing(self, fields: Fields) -> str:
        del fields[self._chance.choice(["user", "item"])]
        return "missing_field"

    def _user_wrong_type(self, fields: Fields) -> str:
        fields[self._chance.choice(["user", "item"])] = self._chance.choice([b"null", b"1.5", b"true", b"[]", b"{}"])
        return "wrong_type"

    def _user_no_string(self, fields: Fields) -> str:
        fields[self._chance.choice(["user", "item"])] = self._chance.choice(_NO_STRING)
        return "malformed"

    def _user_long(self, fields: Fields) -> str:
        long = b'"%s"' % (b"u" * self._chance.randint(NAME_BYTES_MAX + 1, 10_000))
        fields[self._chance.choice(["user", "item"])] = long
        return "too_large"

    def _user_odd(self, fields: Fields) -> None:
        long = b'"%s"' % (b"u" * self._chance.randint(100, NAME_BYTES_MAX))
        new = b'"%x"' % self._chance.getrandbits(64)
        value = self._chance.choice([b'""', rb'"\u0000"', long, b"9" * 30, b"-1", new, new, new])
        fields[self._chance.choice(["user", "item"])] = value

    # --- What is wrong with the whole -----------------------------------------------------------------------------

    def _random_bytes(self) -> Payload:
        # Nothing in JSON begins with such a byte.
        count = self._chance.randint(0, 500)
        return self._rejected(b"\xff" + self._chance.randbytes(count) if count else b"", ["malformed"])

    def _cut_short(self) -> Payload:
        text = _joined(self._good()[0])
        return self._rejected(text[: self._chance.randrange(1, len(text))], ["malformed"])

    def _more_behind(self) -> Payload:
        text = _joined(self._good()[0])
        return self._rejected(text + self._chance.choice([text, b"}", b"\0x", b"]", b",", b"\xff"]), ["malformed"])

    def _no_event(self) -> Payload:
        return self._rejected(self._chance.choice([b"1", b"-1.5e9", b'"text"', b"true", b"null"]), ["wrong_type"])

    def _other_encoding(self) -> Payload:
        text = _joined(self._good()[0])
        return self._rejected(text.decode().encode(self._chance.choice(["utf-16", "utf-32"])), ["malformed"])

    def _outside(self) -> Payload:
        topic = self._chance.choice(["event", "events/", "events/x", "Events", "predictions/x", "../pump2/events"])
        return Payload(topic, _joined(self._good()[0]), Counter(), [])

    def _array(self) -> Payload:
        """Good and bad in one; each bad event costs itself alone."""
        parts: list[bytes] = []
        reasons: list[str] = []
        answered: list[str] = []
        is_last_malformed = False
        for _ in range(self._chance.randint(0, 30)):
            kind = self._chance.random()
            if kind < 0.6:
                fields, name = self._good()
                parts.append(_joined(fields))
                answered.append(name)
                is_last_malformed = False
            elif kind < 0.7:
                is_last_malformed = False
                parts.append(self._chance.choice([b"1", b"null", b'"a"', b"[]", b"[[1]]"]))
                reasons.append("wrong_type")
            else:
                text, reason, name = self._spoilt()
                if reason == "malformed" and b'"open' in text:
                    # Where its quote would close, is not to be foreseen.
                    continue
                parts.append(text)
                is_last_malformed = reason == "malformed"
                if reason:
                    reasons.append(reason)
                else:
                    answered.append(name)
        if any(part.startswith(b"{") for part in parts) and self._chance.random() < 0.1:
            # Behind a last event that is malformed, the missing end may count as part of that.
            end = self._chance.choice([b",]", b"]]"] if is_last_malformed else [b",]", b"", b"]]"])
            reasons += [] if end == b",]" else ["malformed"]
            return Payload("events", b"[" + b",".join(parts) + end, Counter(reasons), answered)
        return Payload("events", b"[" + b",".join(parts) + b"]", Counter(reasons), answered)

    # --- What is large --------------------------------------------------------------------------------------------

    def _many_features(self) -> Payload:
        fields, _ = self._good()
        fields["x"] = json.dumps({f"n{i}": 1 for i in range(EVENT_VALUES_MAX + 1)}).encode()
        return self._rejected(_joined(fields), ["too_large"])

    def _too_large(self) -> Payload:
        # Little enough above the limit to get past the broker's, which leaves room for topic and properties.
        fields, _ = self._good()
        fields["note"] = b'"%s"' % (b"." * (LIMIT_BYTES + self._chance.randint(0, 60_000)))
        return self._rejected(_joined(fields), ["too_large"])

    def _deep(self) -> Payload:
        fields, _ = self._good()
        nested = b"[" * DEEP + b"]" * DEEP
        fields["note"] = nested
        opened = self._chance.choice([b"[", b'[{"note":['])
        return self._rejected(self._chance.choice([nested, opened * DEEP, _joined(fields)]), ["too_deep"])

    def _too_many(self) -> Payload:
        text = _joined(self._good()[0])
        count = min(EVENTS_MAX + self._chance.randint(1, 1000), LIMIT_BYTES // (len(text) + 1))
        if count <= EVENTS_MAX:
            text, count = b"{}", EVENTS_MAX + 1
        return self._rejected(b"[" + b",".join([text] * count) + b"]", ["too_many_events"])

    def _full(self) -> Payload:
        """As many events as are taken, all good or all bad."""
        fields, _ = self._good()
        del fields["id"]
        reason = None
        if self._chance.random() < 0.5:
            reason = self._chance.choice([self._y_out_of_range, self._y_wrong_type])(fields)
        text = _joined(fields)
        count = min(EVENTS_MAX, LIMIT_BYTES // (len(text) + 1))
        data = b"[" + b",".join([text] * count) + b"]"
        if reason:
            return self._rejected(data, [reason] * count)
        return self._taken(data, [""] * count)

    def _million(self) -> Payload:
        """As many elements as fit."""
        part = self._chance.choice([b"0", b"{}", b"[]", b'""', b'{"x":{}}', b'{"user":1,"item":2}'])
        return self._rejected(
            b"[" + b",".join([part] * (LIMIT_BYTES // (len(part) + 1) - 1)) + b"]", ["too_many_events"]
        )

    def _ten_megabytes(self) -> Payload:
        # The broker knows our maximum packet size, and keeps it from us.
        fields, _ = self._good()
        fields["note"] = b'"%s"' % (b"." * 10_000_000)
        return Payload("events", _joined(fields), Counter(), [])


def _joined(fields: Fields) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), text) for name, text in fields.items()) + b"}"
