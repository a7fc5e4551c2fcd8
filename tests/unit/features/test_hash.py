"""SipHash-2-4, by which the first factors of an id and the memory of recent ids are the same on every machine."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from edgedescent.features._hash import siphash24
from reference.features import siphash24 as specified


def test_the_example_of_appendix_a() -> None:
    assert siphash24(bytes(range(15))) == 0xA129CA6149BE45E5


def test_all_64_published_vectors() -> None:
    # Vector i is the hash of the bytes 0 … i - 1, in little-endian order; this digest is of all 64 as published.
    vectors = b"".join(siphash24(bytes(range(n))).to_bytes(8, "little") for n in range(64))
    assert vectors[:8].hex() == "310e0edd47db6f72"
    digest = "0226a91002af9775a791b3ec5a48e643f8848d2d5774dea9be3438d5786bb58e"
    assert hashlib.sha256(vectors).hexdigest() == digest


@given(st.binary(max_size=300))
def test_agrees_with_the_specification(data: bytes) -> None:
    assert siphash24(data) == specified(data)
    assert siphash24(memoryview(data)) == specified(data)
