from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent import __version__
from edgedescent.assembly import InputSpec, LabelSpec
from edgedescent.config import Config, Snapshots
from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError, ExportError, StateError
from edgedescent.learners import Learner
from edgedescent.snapshots.export import export_snapshots
from edgedescent.snapshots.parity import predict_all, recent_events, target_scale
from edgedescent.snapshots.publish import FOLDER, list_snapshots, verify_snapshots
from support.state_folder import NOW, Run, a_config, batches, payloads


class Echo:
    """An exporter whose files hold what the learner is, and predict it with an error of choice."""

    suffix = ".txt"
    error = 0.0
    dropped = 0

    def __init__(self) -> None:
        self._learner: Any = None

    def export(self, learner: Learner, metadata: Mapping[str, str]) -> bytes:
        self._learner = learner
        return json.dumps([repr(learner), metadata]).encode()

    def predict(self, _model: bytes, events: Sequence[Mapping[str, object]]) -> list[float]:
        _, predictions = predict_all(self._learner, events)
        return [value + self.error for value in predictions[self.dropped :]]

    def describe(self, _learner: Learner) -> dict[str, object]:
        return {"format": "echo"}


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> type[Echo]:
    class Mine(Echo):
        pass

    monkeypatch.setattr(Config, "build_exporter", lambda _config: Mine())
    return Mine


def learned(folder: Path, count: int = 40, **learner: Any) -> Run:
    """A running daemon's state, held open, with a checkpoint in the middle."""
    run = Run(a_config(folder, **learner))
    takes = run.engine.learner.input_kind
    for batch in batches(payloads(count, takes=takes), 10):
        run.take(batch)
        if run.engine.position == 20:
            run.checkpoint()
    return run


def forecasting(folder: Path, **learner: Any) -> Run:
    """The state, closed, of a daemon that forecasts what a meter says every second, 5 and 20 s ahead."""
    meter = InputSpec(topics=("meter",), fields={"power": "P"})
    label = LabelSpec(input="meter", feature="meter.power", horizon_s=(5.0, 20.0))
    run = Run(msgspec.structs.replace(a_config(folder, **learner), inputs={"meter": meter}, label=label))
    said = [json.dumps({"P": 5 + math.sin(i / 5)}).encode() for i in range(90)]
    run.store.append([Message(i + 1, NOW + i, "meter", payload) for i, payload in enumerate(said)], 0)
    run.learn()
    run.store.close()
    return run


def exported(config: Config, output: Path | None = None) -> dict[str, Any]:
    (card,) = export_snapshots(config, output)
    return card


def with_snapshots(config: Config, **settings: Any) -> Config:
    return msgspec.structs.replace(config, snapshots=Snapshots(**settings))


@pytest.mark.parametrize("kind", ["LinearRegressor", "MatrixFactorization"])
def test_the_card_tells_all_about_a_snapshot(tmp_path: Path, echo: type[Echo], kind: str) -> None:
    run = learned(tmp_path / "state", type=kind)
    run.store.close()
    card = exported(run.config)
    model = Path(card["path"]).read_bytes()
    metadata = json.loads(model)[1]
    within = json.loads(metadata.pop("model_card"))
    assert metadata == {"device": "pump", "position": "40"}
    # All but what is only known once there is a file.
    assert within == {
        key: value for key, value in card.items() if key not in ("path", "created_at", "parity", "sha256", "bytes")
    }
    assert Path(card["path"]).parent == (tmp_path / "state" / "snapshots" / "latest").resolve()
    assert json.loads((Path(card["path"]).parent / "model_card.json").read_text()) == {
        key: value for key, value in card.items() if key != "path"
    }
    assert card["schema"] == 2
    assert card["device"] == "pump"
    assert card["position"] == 40
    assert card["edgedescent"] == __version__
    assert card["learner"]["type"] == kind
    assert card["metrics"] == run.engine.metrics()
    assert card["parity"]["max_rel_diff"] == 0.0
    assert card["parity"]["tolerance"] == 1e-5
    assert card["parity"]["events"] > 20
    assert card["sha256"] == hashlib.sha256(model).hexdigest()
    assert card["bytes"] == len(model)
    assert card["file"] == "model.txt"
    assert card["format"] == "echo"


@pytest.mark.parametrize("kind", ["echo", "onnx"])
def test_the_model_of_each_horizon_is_a_snapshot_of_its_own(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is an extra")
    else:
        request.getfixturevalue("echo")
    run = forecasting(tmp_path / "state", **({"type": "auto", "budget": "tiny"} if kind == "onnx" else {}))
    cards = export_snapshots(run.config)
    folder = tmp_path / "state" / "snapshots"
    assert [card["horizon_s"] for card in cards] == [5.0, 20.0]
    for card, head, name in zip(cards, run.engine.heads.all, ("horizon-5", "horizon-20"), strict=True):
        assert Path(card["path"]).parent == (folder / name / "latest").resolve()
        assert card["metrics"]["mae"] == head.errors.summary()["mae"]
        assert card["metrics"]["events_learned"] == head.counts()["events_learned"] > 30
        assert "horizons" not in card["metrics"]
        assert card["parity"]["events"] > 20
        assert card["parity"]["max_rel_diff"] < 1e-6
    assert cards[0]["sha256"] != cards[1]["sha256"]
    assert list_snapshots(folder) == cards
    faults = verify_snapshots(folder)
    assert [name.partition("/")[0] for name in faults] == ["horizon-5"] * 2 + ["horizon-20"] * 2
    assert set(faults.values()) == {None}
    Path(cards[1]["path"]).write_bytes(b"other")
    assert [name.partition("/")[0] for name, fault in verify_snapshots(folder).items() if fault] == ["horizon-20"]


def test_no_horizon_is_published_unless_all_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = forecasting(tmp_path / "state")

    class SecondDiffers(Echo):
        def export(self, learner: Learner, metadata: Mapping[str, str]) -> bytes:
            self.error = 0.0 if self._learner is None else 0.1
            return super().export(learner, metadata)

    monkeypatch.setattr(Config, "build_exporter", lambda _config: SecondDiffers())
    with pytest.raises(ExportError, match="differs from the live model"):
        export_snapshots(run.config)
    assert list_snapshots(tmp_path / "state" / "snapshots") == []


def test_what_is_said_about_items_is_not_compared(tmp_path: Path, echo: type[Echo]) -> None:
    run = Run(a_config(tmp_path / "state", type="MatrixFactorization"))
    about = b'[{"item": "tea", "x": {"title": "Tea"}}, {"user": "ann", "item": "tea", "y": 4}]'
    run.take([*payloads(40, takes="ratings"), about, b'{"item": "tea", "available": false}'])
    events = recent_events(run.store, run.engine, 3)
    run.store.close()
    assert len(events) == 3
    assert all(event["user"] for event in events)
    assert events[-1]["item"] == "tea"
    assert exported(run.config)["parity"]["events"] > 20


@pytest.mark.parametrize("budget", ["tiny", "small", "default", "large"])
def test_the_automatic_regressor_is_published_as_onnx(tmp_path: Path, budget: str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is an extra")
    run = learned(tmp_path, count=80, type="auto", budget=budget)
    run.store.close()
    card = exported(run.config)
    assert card["file"] == "model.onnx"
    assert card["learner"]["type"] == "AutoRegressor"
    assert card["learner"]["budget"] == budget
    assert [port["name"] for port in card["inputs"]][-1] == "labels"
    assert card["metadata"]["labels"]["learned"] == int(run.engine.learner.state_dict()["counts"][0])
    assert card["parity"]["events"] > 20
    assert card["parity"]["max_rel_diff"] < 1e-6
    assert card["parity"]["scale"] == pytest.approx(target_scale(run.engine.learner))
    assert 5.0 < card["parity"]["scale"] < 20.0
    assert set(verify_snapshots(tmp_path / "snapshots").values()) == {None}


def test_it_works_beside_a_running_daemon(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    for position in (40, 50):
        assert exported(run.config)["position"] == position
        run.take(payloads(10, seed=9))
    before = (tmp_path / "edgedescent.db").read_bytes()
    exported(run.config)
    assert (tmp_path / "edgedescent.db").read_bytes() == before
    run.store.close()


@pytest.mark.parametrize("damage", [b"", None, b"bit"])
def test_a_damaged_snapshot_is_written_again(
    tmp_path: Path, echo: type[Echo], damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    run = learned(tmp_path)
    run.store.close()
    path = Path(exported(run.config)["path"])
    whole = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage and bytes([whole[0] ^ 1]) + whole[1:])
    assert list_snapshots(tmp_path / FOLDER) == []
    caplog.clear()
    again = Path(exported(run.config)["path"])
    assert (again, again.read_bytes()) == (path, whole)
    assert caplog.text.count("is written again") == 1
    assert [card["path"] for card in list_snapshots(tmp_path / FOLDER)] == [str(path)]


def test_it_goes_where_it_is_told_to(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path / "state")
    run.store.close()
    card = exported(run.config, tmp_path / "out")
    assert Path(card["path"]).is_relative_to(tmp_path / "out")
    assert not (tmp_path / "state" / "snapshots").exists()


def test_what_root_exports_belongs_to_the_daemon(echo: type[Echo]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act for another user")
    nobody = 65_534
    # Not in pytest's own folder, which only its owner can enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = learned(Path(folder) / "state")
        run.store.close()
        state = run.store.folder
        for path in (state, *state.iterdir()):
            os.chown(path, nobody, nobody)
        exported(run.config)
        exported(run.config, Path(folder) / "out")
        found = [path for path in state.rglob("*") if path.is_relative_to(state / FOLDER)]
        assert len(found) == 5
        assert {(path.lstat().st_uid, path.lstat().st_gid) for path in found} == {(nobody, nobody)}
        # What is asked for elsewhere is whose who asks, and so is everything afterwards.
        assert (Path(folder) / "out").stat().st_uid == os.geteuid() == os.getegid() == 0
        # Root does not follow where that user may have laid a link.
        Path(folder, "aim").mkdir()
        for path in sorted(found, reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (state / FOLDER).symlink_to(Path(folder, "aim"))
        with pytest.raises(ExportError, match="Permission denied"):
            exported(run.config)
        assert (list(Path(folder, "aim").iterdir()), os.geteuid(), os.getegid()) == ([], 0, 0)


@pytest.mark.parametrize("error", [0.1, -1e-3, math.nan, math.inf])
def test_what_disagrees_is_not_published(tmp_path: Path, echo: type[Echo], error: float) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.error = error
    with pytest.raises(ExportError, match=r"differs from the live model by .* It was not published"):
        exported(run.config)
    assert not (tmp_path / "snapshots").exists()
    # What was published before stays.
    echo.error = 0.0
    card = exported(run.config)
    echo.error = error
    with pytest.raises(ExportError):
        exported(run.config)
    assert Path(card["path"]).exists()
    assert len(list_snapshots(tmp_path / "snapshots")) == 1


def test_what_predicts_too_little_is_not_published(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.dropped = 1
    with pytest.raises(ExportError, match=r"makes \d+ predictions for \d+ events. It was not published\.$"):
        exported(run.config)
    assert not (tmp_path / "snapshots").exists()


def test_the_tolerance_is_the_configured_one(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.error = 0.1
    assert exported(with_snapshots(run.config, tolerance=0.99))["parity"]["max_abs_diff"] == pytest.approx(0.1)


def test_without_events_nothing_can_be_checked(tmp_path: Path, echo: type[Echo]) -> None:
    run = Run(a_config(tmp_path))
    for batch in ([], [b"no event"] * 20):
        if batch:
            run.take(batch)
        with pytest.raises(ExportError, match="There is no event to check a snapshot on") as caught:
            exported(run.config)
        assert "Let the daemon learn a few events" in caught.value.hint
    run.store.close()


def test_without_a_state_there_is_nothing_to_export(tmp_path: Path, echo: type[Echo]) -> None:
    with pytest.raises(StateError, match="There is no state in"):
        exported(a_config(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_an_unknown_exporter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`snapshots.exporter` is 'onx': expected one of .*onnx"):
        exported(with_snapshots(a_config(tmp_path), exporter="onx"))
