"""The scenarios that ship: complete, valid, the same in TOML and in Python, listed and documented."""

from __future__ import annotations

import importlib.util
import json
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

from edgedescent.learners import LinearRegressor
from edgedescent_sims.peers import LastValue, Popularity, RunningMean, SeasonalLastValue
from edgedescent_sims.scenarios import library
from edgedescent_sims.scenarios.files import load_scenario, save_scenario, table_of, to_toml
from edgedescent_sims.simulate.bars import FailIf
from edgedescent_sims.simulate.preview import POINTS, preview
from edgedescent_sims.simulate.twins import changes
from edgedescent_sims.testing import check_source
from support.command_line import run

ROOT = Path(__file__).resolve().parents[4]
NAMES = library.names()


def test_half_of_it_are_faults_or_recommenders() -> None:
    groups = library.grouped(map(library.load, NAMES))
    counts = {name: len(members) for name, members in groups.items()}
    assert len(NAMES) >= 26
    assert sum(counts.values()) == len(NAMES)
    assert 2 * (counts[library.FAULTS] + counts[library.RECOMMENDERS]) >= len(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_says_what_it_stresses_and_what_a_good_learner_does(self, name: str) -> None:
        scenario = library.load(name)
        for text in (scenario.stresses, scenario.good_learner, *scenario.expected_failures.values()):
            assert text.endswith(".")
            assert "\n" not in text
        assert scenario.name == name
        assert scenario.transforms() or name == "sparse-indicator"

    def test_states_a_bar_and_runs_without_further_libraries(self, name: str) -> None:
        scenario = library.load(name)
        assert scenario.fail_if
        for text in scenario.fail_if:
            FailIf.parse(text)
        for peer in scenario.peers.values():
            assert isinstance(peer, LastValue | SeasonalLastValue | RunningMean | Popularity)

    def test_is_scored_where_its_bars_need_it(self, name: str) -> None:
        scenario = library.load(name)
        if any(FailIf.parse(text).score in ("recovery", "early_mae") for text in scenario.fail_if):
            assert changes(scenario)

    def test_is_the_same_from_python_as_from_its_file(self, name: str, tmp_path: Path) -> None:
        scenario = library.load(name)
        save_scenario(scenario, tmp_path / f"{name}.toml")
        again = load_scenario(tmp_path / f"{name}.toml")
        assert table_of(again) == table_of(scenario)
        assert to_toml(again) == to_toml(scenario)
        assert again.marks() == scenario.marks()
        # As text, because NaN is not equal to itself.
        assert repr(list(islice(again.stream.events(), 50))) == repr(list(islice(scenario.stream.events(), 50)))

    def test_has_other_events_with_another_seed(self, name: str) -> None:
        scenario = library.load(name)
        first, other = (
            repr(list(islice(each.stream.events(), 50))) for each in (scenario.seeded(0), scenario.seeded(1))
        )
        assert first != other


@pytest.mark.parametrize("name", ["outage-backfill", "late-ratings", "doubled-and-reordered", "fad"])
def test_a_stack_of_stages_keeps_the_promises_of_a_source(name: str) -> None:
    check_source(library.load(name).stream)


def test_the_preview_is_the_error_over_the_stream() -> None:
    scenario = library.load("sign-flip")
    assert isinstance(next(iter(scenario.candidates.values())), LinearRegressor)
    errors = preview(scenario)
    # Half way the error is large again.
    assert len(errors) == POINTS
    assert errors[POINTS // 2] == max(errors)
    assert errors == preview(scenario)


def test_the_list_shows_groups_pictures_and_purposes() -> None:
    printed = run("simulate", "--list").output
    for group, members in library.grouped(map(library.load, NAMES)).items():
        assert group in printed
        for scenario in members:
            (line,) = [line for line in printed.splitlines() if line.split()[:1] == [scenario.name]]
            assert scenario.stresses in line
            assert "█" in line


def test_the_list_as_json() -> None:
    listed = json.loads(run("simulate", "--list", "--json").output)
    assert sorted(each["name"] for each in listed) == NAMES
    resting = next(each for each in listed if each["name"] == "resting-sensor")
    assert resting["group"] == library.DRIFTS
    assert resting["fail_if"] == ["recovery > 1000", "early_mae > 5"]
    assert resting["expected_failures"] == {}
    assert len(resting["error"]) == POINTS


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_scenarios", ROOT / "docs" / "scenarios.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["scenarios.md", "scenario-reference.md"])
def test_the_pages_are_current(name: str) -> None:
    text = generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run: python docs/scenarios.py --write"


def test_the_reference_names_every_stage_and_parameter() -> None:
    from edgedescent.validation import parameters
    from edgedescent_sims.drift import DRIFTS
    from edgedescent_sims.faults import FAULTS
    from edgedescent_sims.peers import PEERS
    from edgedescent_sims.sources import SOURCES

    page = (ROOT / "docs" / "scenario-reference.md").read_text(encoding="utf-8")
    for registry in (SOURCES, DRIFTS, FAULTS, PEERS):
        for name in registry.built_in:
            if name == "InMemorySource":
                continue
            assert f"### {name}\n" in page
            for parameter in parameters(registry[name]):
                assert parameter == "source" or f"| `{parameter}` |" in page, (name, parameter)
