"""What holds for the ONNX files of all learners, and how the adapter refuses what it cannot do."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgedescent
import edgedescent_onnx
from edgedescent import (
    BPR,
    AutoRanker,
    AutoRecommender,
    AutoRegressor,
    DecayedPopularity,
    FactorizationMachine,
    ItemNeighbours,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
    SessionCooccurrence,
)
from edgedescent.errors import ExportError
from edgedescent.learners import Learner
from edgedescent_onnx import OnnxAdapter
from edgedescent_onnx.adapter import GRAPHS
from edgedescent_onnx.graph import ML, Graph, Node, Port
from edgedescent_onnx.model_file import FILE_BYTES_MAX, encode
from support.waiting import PATIENCE_S

ONNX = OnnxAdapter()
HERE = Path(edgedescent_onnx.__file__).parent


def taught(model: Any) -> Any:
    """Targets between 0 and 1, which every learner of features takes."""
    for i in range(200):
        x = {"temp": i % 30, "humidity": i % 7 / 10, "site": ("north", "south")[i % 2]}
        model.learn_one(x, (i % 30) / 60 + i % 2 / 2)
    return model


def regression() -> LinearRegressor:
    model: LinearRegressor = taught(LinearRegressor())
    return model


def classifier() -> Learner:
    return taught(LogisticRegressor())  # type: ignore[no-any-return]


def machine() -> Learner:
    return taught(FactorizationMachine(n_factors=3))  # type: ignore[no-any-return]


def network() -> Learner:
    return taught(MLPRegressor(hidden=(6, 5, 4)))  # type: ignore[no-any-return]


def automatic() -> Learner:
    return taught(AutoRegressor())  # type: ignore[no-any-return]


def recommender() -> MatrixFactorization:
    model = MatrixFactorization(n_factors=2)
    for _ in range(50):
        model.learn_one("ann", "tea", 5.0)
        model.learn_one("ann", "beer", 1.0)
    return model


def ensemble() -> AutoRecommender:
    model = AutoRecommender(n_factors=2)
    for i in range(60):
        model.learn_one(("ann", "bob")[i % 2], ("tea", "beer", "milk")[i % 3], float(1 + i % 5))
    return model


def ranker() -> BPR:
    model = BPR(n_factors=2)
    for _ in range(50):
        model.learn_one("ann", "tea")
        model.learn_one("eve", "beer")
    return model


def choices(kind: Callable[[], Any]) -> Callable[[], Learner]:
    def make() -> Learner:
        model: Learner = kind()
        for i in range(60):
            model.learn_one(f"user-{i % 7}", ("tea", "beer", "milk")[i % 3])  # type: ignore[attr-defined]
        return model

    return make


RANKERS = [choices(kind) for kind in (AutoRanker, DecayedPopularity, ItemNeighbours, SessionCooccurrence)]
LEARNERS: list[Callable[[], Learner]] = [
    regression,
    classifier,
    machine,
    network,
    automatic,
    recommender,
    ensemble,
    ranker,
    *RANKERS,
]


def test_every_graph_is_tested_here() -> None:
    assert set(GRAPHS) == {type(make()).__name__ for make in LEARNERS}


@pytest.mark.parametrize("make", LEARNERS)
def test_the_file_is_of_the_promised_form(make: Callable[[], Learner]) -> None:
    import onnx
    from onnx import numpy_helper

    learner = make()
    file = ONNX.export(learner, {"note": "first"})
    model = onnx.load_from_string(file)
    onnx.checker.check_model(model, full_check=True)
    described = ONNX.describe(learner)
    assert model.ir_version == 8 == described["ir_version"]
    assert {entry.domain or "ai.onnx": entry.version for entry in model.opset_import} == described["opsets"]
    assert (model.producer_name, model.producer_version) == ("edgedescent", edgedescent.__version__)
    assert model.functions == []
    options = {port["name"] for port in described.get("optional_inputs", ())}
    # Neighbours are kept and searched in single precision by these learners too.
    kinds = {np.dtype(kind) for kind in (np.float64, np.int64)}
    kinds |= {np.dtype(kind) for kind in (np.float32, np.int32)} if make in (automatic, *RANKERS) else set()
    kinds |= {np.dtype(np.int32)} if options else set()
    for constant in model.graph.initializer:
        if constant.name in options:
            continue
        values = numpy_helper.to_array(constant)
        assert values.dtype in kinds
        assert np.isfinite(values).all()
    branches = [a.g for node in model.graph.node for a in node.attribute if a.HasField("g")]
    every = [*model.graph.node, *(node for branch in branches for node in branch.node)]
    further = {port["name"] for port in described.get("further_outputs", ())}
    read = {name for node in every for name in node.input} | {"prediction", *further}
    read |= {port.name for branch in branches for port in branch.output}
    written = {name for node in every for name in node.output}
    assert {constant.name for constant in model.graph.initializer} <= read
    assert {node.output[0] for node in every} <= read
    assert read <= written | {port.name for port in (*model.graph.input, *model.graph.initializer)}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata.pop("learner") == type(learner).__name__
    assert metadata.pop("producer") == "edgedescent"
    assert metadata.pop("edgedescent_version") == edgedescent.__version__
    assert metadata.pop("note") == "first"
    parsed = {name: value if name == "missing" else json.loads(value) for name, value in metadata.items()}
    assert parsed == described["metadata"]
    assert file == ONNX.export(learner, {"note": "first"})


@pytest.mark.parametrize("make", LEARNERS)
def test_the_card_names_the_ports_as_onnxruntime_does(make: Callable[[], Learner]) -> None:
    import onnxruntime

    learner = make()
    session = onnxruntime.InferenceSession(ONNX.export(learner, {}), providers=["CPUExecutionProvider"])
    described: dict[str, Any] = ONNX.describe(learner)
    for card, served in (
        (described["inputs"], session.get_inputs()),
        ([described["output"], *described.get("further_outputs", [])], session.get_outputs()),
        (described.get("optional_inputs", []), session.get_overridable_initializers()),
    ):
        assert [(port["name"], port["type"], port["shape"]) for port in card] == [
            (port.name, port.type, port.shape) for port in served
        ]


@pytest.mark.parametrize("make", LEARNERS)
def test_exporting_and_describing_leave_the_learner_as_it_is(make: Callable[[], Learner]) -> None:
    learner = make()
    before = {name: np.array(value).tobytes() for name, value in learner.state_dict().items()}
    ONNX.export(learner, {})
    ONNX.describe(learner)
    assert {name: np.array(value).tobytes() for name, value in learner.state_dict().items()} == before


@pytest.mark.parametrize("make", LEARNERS)
def test_the_lines_that_serve_it_work_as_documented(
    make: Callable[[], Learner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learner = make()
    usage = str(ONNX.describe(learner)["usage"])
    snippets = re.findall(r"```python\n(.*?)```", (HERE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert usage in snippets
    (tmp_path / "model.onnx").write_bytes(ONNX.export(learner, {}))
    monkeypatch.chdir(tmp_path)
    exec(usage, {})  # noqa: S102 - it is our own documentation
    served = [float(number) for number in capsys.readouterr().out.strip("[]\n").split(",")]
    live_learner: Any = learner
    if learner.input_kind == "features":
        events: list[dict[str, Any]] = [{"temp": 20.1, "humidity": 0.6, "site": "north"}, {"temp": 4.0}]
        live = [live_learner.predict_one(event) for event in events]
    else:
        pairs = [("ann", "tea"), ("ann", "beer"), ("bob", "never seen")]
        live = [live_learner.predict_one(user, item) for user, item in pairs]
    np.testing.assert_allclose(served, live, rtol=1e-6 if make in (automatic, *RANKERS) else 1e-9)


def test_a_learner_without_a_graph_is_refused() -> None:
    class Other(LinearRegressor):
        """Might predict otherwise, so the graph of its base does not do."""

    for call in (lambda: ONNX.export(Other(), {}), lambda: ONNX.describe(Other())):
        with pytest.raises(ExportError, match="no ONNX graph for the learner Other") as caught:
            call()
        assert caught.value.hint.startswith("These can be exported: AutoRanker, AutoRecommender, AutoRegressor, BPR, ")


def test_metadata_cannot_contradict_the_file() -> None:
    assert ONNX.export(regression(), {"learner": "LinearRegressor"}) == ONNX.export(regression(), {})
    with pytest.raises(ExportError, match="metadata features, learner would replace"):
        ONNX.export(regression(), {"learner": "Oracle", "features": "[]", "device": "d"})


def test_a_file_that_would_be_too_large_is_refused_before_it_is_made() -> None:
    # A view of one number: it takes no memory, whatever its shape.
    table = np.broadcast_to(np.float64(1.0), (FILE_BYTES_MAX // 8 + 1,))
    graph = Graph([Port("x", "double", ("batch",), "")], [Node("Identity", ["x"], "prediction")], {"table": table})
    with pytest.raises(ExportError, match="does not fit an ONNX file"):
        encode(graph, {})


def test_a_name_that_no_file_can_hold_is_refused() -> None:
    encoder = Node("LabelEncoder", ["x"], "prediction", {"keys_strings": ["lone \ud800"]}, ML)
    with pytest.raises(ExportError, match=r"'lone \\ud800' is not valid Unicode"):
        encode(Graph([Port("x", "string", ("batch",), "")], [encoder], {}), {})


def test_what_the_checker_refuses_is_not_exported() -> None:
    ports = [Port("x", "double", ("batch",), "")]
    for operator, output in (("NoSuchOperator", "prediction"), ("Shape", "prediction")):
        with pytest.raises(ExportError, match=r"The ONNX checker refused the snapshot: ."):
            encode(Graph(ports, [Node(operator, ["x"], output)], {}), {})


def test_a_damaged_or_foreign_file_is_reported() -> None:
    file = ONNX.export(regression(), {})
    for damaged in (b"", b"junk", file[: len(file) // 2]):
        with pytest.raises(ExportError, match=r"onnxruntime cannot load the snapshot: .") as caught:
            ONNX.predict(damaged, [{"x": {}}])
        assert "\n" not in str(caught.value)
    graph = Graph([Port("x", "double", ("batch",), "")], [Node("Identity", ["x"], "prediction")], {})
    with pytest.raises(ExportError, match=r"no ONNX graph for the learner \?"):
        ONNX.predict(encode(graph, {}), [{"x": {}}])
    metadata = {"features": "[]", "categories": "{}", "integer_categories": "[]", "missing": ""}
    mislabelled = encode(graph, {"learner": "LinearRegressor", **metadata})
    with pytest.raises(ExportError, match=r"onnxruntime cannot run the snapshot: .") as caught:
        ONNX.predict(mislabelled, [{"x": {}}])
    assert "\n" not in str(caught.value)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ONNX.export(regression(), {})
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportError, match="package onnx, which is not installed") as caught:
        ONNX.export(regression(), {})
    assert "edgedescent[onnx]" in caught.value.hint
    with pytest.raises(ExportError, match="package onnxruntime, which is not installed"):
        ONNX.predict(file, [])


def test_serving_leaves_no_trace_in_the_users_cache(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(ONNX.export(regression(), {}))
    program = (
        "from pathlib import Path; from edgedescent_onnx import OnnxAdapter\n"
        "OnnxAdapter().predict(Path('model.onnx').read_bytes(), [{'x': {}}])"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_importing_the_adapter_imports_neither_onnx_nor_onnxruntime() -> None:
    program = (
        "import sys; from edgedescent_onnx import OnnxAdapter; from edgedescent import LinearRegressor\n"
        "OnnxAdapter().describe(LinearRegressor())\n"
        "assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sample_configuration_is_valid_and_names_every_key(tmp_path: Path) -> None:
    from edgedescent.config import load

    sample = (HERE / "sample.toml").read_text(encoding="utf-8")
    path = tmp_path / "device.toml"
    path.write_text(f'device = "greenhouse"\n[learner]\ntype = "LinearRegressor"\n{sample}', encoding="utf-8")
    config = load(path, {})
    assert set(tomllib.loads(sample)["snapshots"]) == set(config.snapshots.__struct_fields__)
    assert config.snapshots.exporter == "onnx"
