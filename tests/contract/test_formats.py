"""The shared contract, on every built-in payload format."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.formats import FORMATS, Format, JsonFormat
from edgedescent.learners import LinearRegressor
from edgedescent.testing import FORMAT_CHECKS
from edgedescent.testing.support import frozen


@pytest.mark.parametrize("check", FORMAT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FORMATS.built_in)
def test_contract(name: str, check: Callable[[type[Format]], None]) -> None:
    check(FORMATS[name])


SIMPLE = [b'{"x":{"a":%d,"b":2.5},"y":%d}' % (i, i) for i in range(4)]
ODD = [
    b'{"x":{"a":NaN,"b":1},"y":1}',
    b'{"x":{"a":1,"b":-Infinity},"y":2,"id":"i"}',
    b'{"x":{"a":1},"y":NaN}',
    b'{"x":{"a":01},"y":1}',
    b'{"x":{"a":"1.5","b":"on"},"y":"2"}',
    b'{"x":{"a":"unavailable","site":"north"},"y":1}',
    b'{"x":{"a":[1,2],"c=d":1,"c":"d"},"y":1}',
    b'{"x":{"a":"1},"y":1}',
    b'{"x":{"a":1},"target":1}',
    b"oops",
    b"",
]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(SIMPLE * 2 + ODD), max_size=5),
            st.sampled_from([b",", b" , ", b"\n", b"\n,"]),
            st.sampled_from(
                [(b"[", b"]"), (b"", b""), (b"\xef\xbb\xbf[", b"]\0\n"), (b"[", b""), (b"[", b",]"), (b"[", b"]]")]
            ),
        ),
        max_size=6,
    )
)
def test_the_fast_reader_of_json_agrees_with_the_decoder(
    messages: list[tuple[list[bytes], bytes, tuple[bytes, bytes]]],
) -> None:
    class Decoded(JsonFormat):
        def reader(self) -> None:
            return None

    engines = [Engine(LinearRegressor(), payload_format=kind) for kind in (JsonFormat, Decoded)]
    for position, (parts, separator, (before, behind)) in enumerate(messages, start=1):
        message = Message(position, 0.0, "events", before + separator.join(parts) + behind)
        one, other = (engine.handle(message) for engine in engines)
        assert one == other
    assert frozen(engines[0].learner.state_dict()) == frozen(engines[1].learner.state_dict())
    assert engines[0].counters == engines[1].counters
