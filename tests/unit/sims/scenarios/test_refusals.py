"""What cannot be run is refused with one line, which names the near matches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent.learners import LinearRegressor
from edgedescent_sims.drift import DRIFTS, Drift, FeatureSwap, LabelBias, LabelNoise, LabelUnit, SignFlip, WeightChange
from edgedescent_sims.drift.contract import check_drift
from edgedescent_sims.faults import Spikes
from edgedescent_sims.scenarios.files import load_scenario, save_scenario, scenario_of
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.runner import simulate
from edgedescent_sims.sources import LinearStream, Source
from edgedescent_sims.sources.batch import Batch


def table(**changes: Any) -> dict[str, Any]:
    return {
        "source": {"type": "LinearStream", "weights": [1.0, 2.0], "n_events": 400},
        "transforms": [{"type": "SignFlip", "columns": ["x0"], "at": 200}],
        "candidates": {"linear": {"type": "LinearRegressor"}},
        **changes,
    }


def refusal(**changes: Any) -> str:
    """Message and hint of the error, which must be one line."""
    with pytest.raises(ConfigError) as caught:
        list(simulate([scenario_of(table(**changes), Path())]))
    text = f"{caught.value} {caught.value.hint}"
    assert "\n" not in text
    return text


def test_an_unknown_source_drift_fault_or_peer_gets_the_near_match() -> None:
    assert "Did you mean `LinearStream`?" in refusal(source={"type": "LinerStream"})
    assert "Did you mean `SignFlip`?" in refusal(transforms=["SingFlip"])
    assert "Did you mean `Spikes`?" in refusal(transforms=["Spiks"])
    assert "Did you mean `LastValue`?" in refusal(peers=["LastVal"])
    assert "Did you mean `LinearRegressor`?" in refusal(candidates={"a": {"type": "LinearRegresser"}})


def test_an_unknown_parameter_names_its_place() -> None:
    text = refusal(transforms=[{"type": "SignFlip", "columns": ["x0"], "where": 200}])
    assert "`transforms[0].where` is not a known key" in text


def test_an_unknown_column_gets_the_near_match() -> None:
    text = refusal(
        transforms=[
            {"type": "SensorReplaced", "column": "x0", "factor": 2.0, "new_name": "speed", "at": 100},
            {"type": "SensorLost", "column": "sped", "at": 200},
        ]
    )
    assert "sped" in text
    assert "Did you mean `speed`?" in text


def test_an_unknown_score_gets_the_near_match() -> None:
    assert "Did you mean `recovery`?" in refusal(fail_if=["recovry > 5"])
    assert "`main_score` is 'mea'" in refusal(main_score="mea")
    assert "Did you mean `mae`?" in refusal(main_score="mea")


def test_a_bar_that_cannot_be_read_is_found_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgedescent_sims.simulate.jobs.run_candidate", lambda *_: pytest.fail("it ran"))
    assert "cannot be read" in refusal(fail_if=["recovery above 5"])


def test_a_drift_or_fault_behind_the_end_is_refused() -> None:
    assert "lies behind the end of LinearStream, which has 400 events" in refusal(
        transforms=[{"type": "SignFlip", "columns": ["x0"], "at": 400}]
    )
    assert "lies behind the end of LinearStream, which has 400 events" in refusal(
        transforms=[{"type": "Spikes", "rate": 0.1, "after": 500}]
    )


def test_drifts_of_the_same_column_must_not_overlap() -> None:
    gradual = {"type": "SignFlip", "columns": ["x0"], "at": 100, "shape": "gradual", "width": 200}
    swap = {"type": "FeatureSwap", "columns": ["x0", "x1"], "at": 200}
    assert "SignFlip x0 (100 to 300) and FeatureSwap x0, x1 (from 200) overlap, and both change x0" in refusal(
        transforms=[gradual, swap]
    )
    apart = scenario_of(table(transforms=[gradual, {**swap, "at": 300}]), Path())
    assert [mark.start for mark in apart.marks()] == [100, 300]
    other = scenario_of(table(transforms=[gradual, {"type": "LabelBias", "offset": 1.0, "at": 200}]), Path())
    assert len(other.marks()) == 2


@pytest.mark.parametrize(
    "drift",
    [
        {"type": "WeightChange", "columns": ["x0"], "deltas": [0.0]},
        {"type": "FeatureSwap", "columns": ["x0", "x0"]},
        {"type": "CovariateScale", "column": "x0"},
        {"type": "LabelUnit"},
        {"type": "LabelNoise", "std": 0.0},
        {"type": "InteractionAppears", "columns": ["x0", "x1"], "weight": 0.0},
    ],
    ids=lambda drift: str(drift["type"]),
)
def test_a_drift_that_changes_nothing_is_refused(drift: dict[str, Any]) -> None:
    assert "changes nothing" in refusal(transforms=[{**drift, "at": 200}])


def test_two_peers_or_a_peer_and_a_candidate_of_one_name_are_refused() -> None:
    assert "is a second peer named 'LastValue'" in refusal(peers=["LastValue", "LastValue"])
    assert "is the name of a candidate and of a peer" in refusal(peers=[{"type": "LastValue", "name": "linear"}])


def test_a_learner_of_another_kind_of_event_is_refused() -> None:
    assert "learns ratings, but the stream LinearStream holds features" in refusal(
        candidates={"a": {"type": "MatrixFactorization"}}
    )


def test_a_drift_too_near_to_the_end_has_nothing_to_score() -> None:
    assert "Only 1 events of LinearStream follow" in refusal(
        transforms=[{"type": "SignFlip", "columns": ["x0"], "at": 399}]
    )


@dataclass(kw_only=True, eq=False)
class Saturation(Drift):
    """A sensor that reports no value above a limit any more."""

    column: Annotated[str, Meta(description="Feature of the sensor")]
    limit: Annotated[float, Meta(description="Highest value that is still reported")]

    def touched(self) -> frozenset[str]:
        return frozenset({self.column})

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        x = batch.column(self.column)
        return batch.with_columns(
            {self.column: np.where(self.switched(batch, share), np.minimum(x, self.limit), x).astype(np.float64)}
        )


class TestYourOwnDrift:
    stream = LinearStream(weights=(3.0, 1.0), n_events=2000)

    def test_keeps_the_promises_of_a_drift(self) -> None:
        check_drift(Saturation(self.stream, column="x0", limit=0.5, at=1000))

    @pytest.mark.parametrize("shape", ["abrupt", "gradual", "recurring"])
    def test_runs_in_every_shape_with_twins(self, shape: Any) -> None:
        course = {"gradual": {"width": 200}, "recurring": {"period": 600}}.get(shape, {})
        drift = Saturation(self.stream, column="x0", limit=0.0, at=1000, shape=shape, **course)
        [(result, _)] = simulate([Scenario(stream=drift, candidates={"linear": LinearRegressor()})])
        (linear,) = result.candidates
        assert len(linear.recoveries) == len(result.marks)
        assert all(recovery.scores["regret"].value is not None for recovery in linear.recoveries)

    def test_is_saved_and_read_where_it_is_registered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        drift = Saturation(self.stream, column="x0", limit=0.5, at=1000)
        scenario = Scenario(stream=drift, candidates={"linear": LinearRegressor()})
        save_scenario(scenario, tmp_path / "own.toml")
        with pytest.raises(ConfigError, match="Saturation"):
            load_scenario(tmp_path / "own.toml")
        info = tmp_path / "own_drifts-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-drifts\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[{DRIFTS.group}]\nSaturation = {__name__}:Saturation\n")
        monkeypatch.syspath_prepend(tmp_path)
        again = load_scenario(tmp_path / "own.toml")
        assert [mark.label for mark in again.marks()] == ["Saturation x0"]


def stack(source: Source) -> Source:
    flip = SignFlip(source, columns=("x0",), at=100)
    return FeatureSwap(Spikes(flip, rate=0.1, after=50, until=150, seed=3), columns=("x0", "x1"), at=300, seed=9)


def test_python_objects_are_saved_as_the_file_that_makes_them(tmp_path: Path) -> None:
    scenario = Scenario(
        name="stack",
        stream=stack(LinearStream(n_features=3, n_events=500, seed=4)),
        candidates={"linear": LinearRegressor(l2=0.1)},
        window=50,
        fail_if=("mae > 100",),
    )
    save_scenario(scenario, tmp_path / "stack.toml")
    again = load_scenario(tmp_path / "stack.toml")
    assert list(again.stream.events()) == list(scenario.stream.events())
    assert [type(each) for each in again.transforms()] == [SignFlip, Spikes, FeatureSwap]
    assert (again.window, again.fail_if) == (50, ("mae > 100",))


def test_a_saved_scenario_finds_its_data_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pump.csv").write_text("temp,flow\n1,2\n2,3\n3,5\n")
    Path("scenarios").mkdir()
    source = {"type": "CsvSource", "path": "pump.csv", "target": "flow"}
    scenario = scenario_of(table(source=source, transforms=[]), Path())
    save_scenario(scenario, Path("scenarios/pump.toml"))
    assert 'path = "../pump.csv"' in Path("scenarios/pump.toml").read_text()
    assert len(list(load_scenario(Path("scenarios/pump.toml")).stream.events())) == 3


def test_labels_of_drifts_of_the_label_say_which() -> None:
    stream = LinearStream(weights=(1.0, 2.0), n_events=400)
    drifts = [
        LabelBias(stream, offset=1.0, at=1),
        LabelUnit(stream, factor=2.0, at=1),
        LabelNoise(stream, std=1.0, at=1),
        WeightChange(stream, columns=("x1",), deltas=(1.0,), at=1),
    ]
    labels = [Scenario(stream=drift, candidates={"a": LinearRegressor()}).marks()[0].label for drift in drifts]
    assert labels == ["LabelBias", "LabelUnit", "LabelNoise", "WeightChange x1"]
