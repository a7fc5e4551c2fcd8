"""docs/scores.md: every snippet does what it says, and every name is there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from edgedescent import evaluation

PAGE = (Path(__file__).parents[3] / "docs/scores.md").read_text(encoding="utf-8")


def test_every_snippet_does_what_it_says() -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(snippets) == PAGE.count("```python") == 10
    test = doctest.DocTestParser().get_doctest("\n".join(snippets), {}, "docs/scores.md", "docs/scores.md", 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_every_public_function_and_class_is_named() -> None:
    results = {
        "DetectionScores",
        "Interval",
        "PairedDifference",
        "Recovery",
        "resident_bytes",
        "target_scale",
        "window_means",
    }
    assert [name for name in evaluation.__all__ if name not in results and f"`{name}" not in PAGE] == []


def test_every_prequential_error_is_named() -> None:
    errors = evaluation.Prequential()
    for y in (1.0, 2.0, 4.0):
        errors.update(y, 0.0)
    assert [name for name in errors.summary() if f"`{name}`" not in PAGE] == []
