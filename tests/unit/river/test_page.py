"""docs/river.md names what there is, in River and here."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import edgedescent
import edgedescent.evaluation

PAGE = (Path(__file__).resolve().parents[3] / "docs/river.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*?|none) \|(.*?)\|(.*?)\|$", PAGE, re.MULTILINE)


def test_every_name_of_river_exists() -> None:
    names = [name for theirs, _, _ in ROWS for name in re.findall(r"`(\w+\.[A-Z]\w+|evaluate\.\w+)`", theirs)]
    assert len(names) >= 12
    for name in names:
        module, _, attribute = name.partition(".")
        assert hasattr(importlib.import_module(f"river.{module}"), attribute), name


def test_every_learner_is_named_and_exists() -> None:
    ours = {name for _, cell, _ in ROWS for name in re.findall(r"`([A-Z]\w+)`", cell)}
    known = {*edgedescent.__all__, *edgedescent.evaluation.__all__}
    assert ours <= known, ours - known
    assert {name for name in edgedescent.__all__ if name[0].isupper()} - {"BPR"} <= ours
