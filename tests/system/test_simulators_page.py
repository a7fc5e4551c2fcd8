"""The tutorial of the simulators, docs/simulators.md, typed in from top to bottom in one folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.once import made_once
from support.snippets import FENCE, ROOT, type_in_page

PAGE = ROOT / "docs" / "simulators.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has typed in the page."""

    def type_in(folder: Path) -> None:
        printed = type_in_page(PAGE, folder, programs=Path(sys.executable).parent)
        (folder / "printed.txt").write_text(printed, encoding="utf-8")

    return made_once(tmp_path_factory, "simulators-page", type_in)


def test_the_outcome_that_the_page_shows_is_that_of_the_run(folder: Path) -> None:
    printed = (folder / "printed.txt").read_text(encoding="utf-8")
    (shown,) = [text for kind, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if kind == "text"]
    for line in shown.splitlines():
        figures = line.replace("...", "").strip()
        assert " ".join(figures.split()) in " ".join(printed.split()), line


def test_the_chosen_learner_is_the_one_that_holds_the_bars(folder: Path) -> None:
    result = json.loads((folder / "edgedescent-simulation" / "pump.json").read_bytes())
    held = {bar["candidate"] for bar in result["bars"]} - {bar["candidate"] for bar in result["bars"] if bar["failed"]}
    assert held == {"network"}
    assert json.loads((folder / "accepted" / "pump.json").read_bytes())["candidates"][0]["learner"] == {
        "type": "MLPRegressor"
    }


def test_the_page_leaves_the_files_that_it_names(folder: Path) -> None:
    for name in ("report.html", "pump.json", "scores.parquet", "timings.json"):
        assert (folder / "edgedescent-simulation" / name).stat().st_size > 0
    assert (folder / "flip.html").stat().st_size > 0
