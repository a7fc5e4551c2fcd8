"""The chart holds whatever numbers there are, within its width and height."""

from __future__ import annotations

import math
import re

import pytest

from edgedescent.watch.chart import BOTH, PREDICTION, TRUTH, chart


@pytest.mark.parametrize(
    "answers",
    [[(5.0, 5.0)], [(-1.7e308, 1.7e308)], [(1e-320, 2e-320)], [(float(n), math.sin(n)) for n in range(300)]],
)
@pytest.mark.parametrize(("width", "height"), [(40, 8), (20, 2)])
def test_it_keeps_its_size(answers: list[tuple[float, float | None]], width: int, height: int) -> None:
    lines = chart(answers, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    marks = "".join(re.split("[┤│]", line)[1] for line in lines)
    assert marks.count(TRUTH) + marks.count(BOTH) == marks.count(PREDICTION) + marks.count(BOTH) > 0


def test_without_answers_or_room_there_is_none() -> None:
    assert chart([], 40, 8) == chart([(1.0, 2.0)], 3, 8) == chart([(1.0, 2.0)], 40, 1) == []
