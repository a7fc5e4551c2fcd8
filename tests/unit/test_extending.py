"""The guide to extensions: all of its examples work, and what it shows of the compiled code is in it."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.testing import check_learner
from edgedescent_onnx import adapter

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", GUIDE, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in blocks]


@pytest.fixture(scope="module")
def guide() -> Iterator[dict[str, Any]]:
    """What a reader has who types in the guide from top to bottom."""
    module = ModuleType("guide")
    # Dataclasses look up the module that they are made in.
    sys.modules["guide"] = module
    for snippet in snippets("python"):
        exec(compile(snippet, "docs/extending.md", "exec"), vars(module))  # noqa: S102 - our own guide
    yield vars(module)
    del sys.modules["guide"]


def test_every_example_runs(guide: dict[str, Any]) -> None:
    assert len(snippets("python")) == GUIDE.count("```python\n")
    assert {"Lion", "PseudoHuberLoss", "EWMA", "RangeRegressor", "CappedGraph", "TextFormat", "FridgeSource"} <= set(
        guide
    )


def test_its_graph_agrees_with_its_learner(guide: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(adapter.GRAPHS, "CappedRegressor", "guide:CappedGraph")
    model = guide["CappedRegressor"](limit=10.0)
    assert guide["agrees"](model)
    assert model.predict_one({"temp": 8}) == 10.0


def test_what_is_shown_of_the_compiled_code_is_in_it() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "edgedescent").rglob("*.pyx"))
    assert len(snippets("cython")) == 4
    for snippet in snippets("cython"):
        for function in snippet.split("\n\n\n"):
            assert function.strip() in sources


@pytest.mark.parametrize("learner", [LinearRegressor(), MLPRegressor(hidden=(4,), replay_steps=1, replay_size=50)])
def test_an_optimizer_in_one_file_passes_the_contract(learner: Any, guide: dict[str, Any]) -> None:
    check_learner(learner.clone({"optimizer": guide["Lion"]()}))


def test_files_it_names_exist() -> None:
    for path in set(re.findall(r"`((?:edgedescent|sims|tests)/[\w/.]+)`", GUIDE)):
        assert (ROOT / path).exists(), path
