"""What a recommender's ONNX file recommends, beside the live learner."""

import ast
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgedescent_onnx
from edgedescent import (
    BPR,
    AutoRanker,
    AutoRecommender,
    DecayedPopularity,
    ItemNeighbours,
    LinearRegressor,
    MatrixFactorization,
    SessionCooccurrence,
)
from edgedescent.errors import ExportError, InvalidEventError
from edgedescent.snapshots.parity import check_parity
from edgedescent_onnx import OnnxAdapter

ONNX = OnnxAdapter()
KINDS = (
    BPR,
    MatrixFactorization,
    AutoRecommender,
    DecayedPopularity,
    ItemNeighbours,
    SessionCooccurrence,
    AutoRanker,
)
USERS = ["", "7", *(f"user-{i}" for i in range(40)), "nobody"]


def taught(kind: Any, n: int, seed: int = 3, **parameters: Any) -> Any:
    dice, learner = random.Random(seed), kind(**parameters)
    for _ in range(n):
        user, item = dice.choice(USERS[:-1]), f"item-{int(dice.paretovariate(0.7)) % 200}"
        rating = (float(dice.randint(1, 5)),) if kind in (MatrixFactorization, AutoRecommender) else ()
        learner.learn_one(user, item, *rating)
    return learner


def events_of(learner: Any) -> list[dict[str, Any]]:
    return [{"user": user, "item": item} for user in USERS[::5] for item in (*learner.encoder.items.keys()[:9], "?")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n", "parameters"),
    [
        (0, {}),
        (1, {}),
        (1500, {}),
        # Rows change owners, and histories hold what has none any more.
        (800, {"users_max": 12, "items_max": 15, "seen_max": 5}),
        (300, {"seen_max": 0}),
    ],
)
def test_lists_and_scores_are_those_of_the_learner(kind: Any, n: int, parameters: dict[str, Any]) -> None:
    learner = taught(kind, n, **parameters)
    if n > 1:
        learner.set_available("item-2", False)
    file = ONNX.export(learner, {})
    for k, exclude, exclude_seen in ((1, [], False), (10, ["item-3", "nothing"], True), (300, [""], True)):
        served = ONNX.recommend(file, USERS, k, exclude, exclude_seen=exclude_seen)
        live = [learner.recommend(user, k, exclude, exclude_seen=exclude_seen) for user in USERS]
        assert served == live, (k, exclude, exclude_seen)
    events = events_of(learner)
    predictions = [learner.predict_one(*event.values()) for event in events]
    np.testing.assert_allclose(ONNX.predict(file, events), predictions, rtol=1e-6)


@pytest.mark.parametrize("kind", [AutoRanker, MatrixFactorization])
@pytest.mark.parametrize("seed", range(3))
def test_they_pass_the_check_of_each_snapshot(kind: Any, seed: int) -> None:
    learner = taught(kind, 400, seed, seen_max=10)
    file = ONNX.export(learner, {})
    assert check_parity(learner, ONNX, file, events_of(learner), tolerance=1e-5).holds


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_recommends_something_else_is_not_published(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = taught(kind, 500)
    file, right = ONNX.export(learner, {}), OnnxAdapter.recommend

    def reversed_lists(self: OnnxAdapter, *given: Any, **options: Any) -> list[list[str]]:
        return [items[::-1] for items in right(self, *given, **options)]

    monkeypatch.setattr(OnnxAdapter, "recommend", reversed_lists)
    with pytest.raises(ExportError, match=r"The snapshot recommends \['item-.* It was not published\."):
        check_parity(learner, ONNX, file, events_of(learner), tolerance=1e-5)


def test_a_file_recommends_with_onnxruntime_alone() -> None:
    import onnxruntime

    learner = taught(AutoRanker, 300)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(ONNX.export(learner, {}), options, providers=["CPUExecutionProvider"])
    asked = {"user": np.array(["user-1", "nobody"], dtype=object), "item": np.array(["", ""], dtype=object)}
    recommended, scores = session.run(["recommended", "scores"], {**asked, "k": np.array([3])})
    assert recommended.tolist() == [learner.recommend(user, 3) for user in ("user-1", "nobody")]
    assert (np.diff(scores) <= 0).all()
    # Without `k` there are no lists, and no work for them.
    nothing, no_scores = session.run(["recommended", "scores"], asked)
    assert nothing.shape == no_scores.shape == (2, 0)


def test_the_lines_that_recommend_work_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(edgedescent_onnx.__file__).parent / "README.md").read_text(encoding="utf-8")
    (snippet,) = [text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "recommended" in text]
    learner = taught(AutoRanker, 300)
    learner.learn_one("ann", "item-1")
    (tmp_path / "model.onnx").write_bytes(ONNX.export(learner, {}))
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})  # noqa: S102 - it is our own documentation
    printed = [ast.literal_eval(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [learner.recommend(user, 10, exclude_seen=True) for user in ("ann", "somebody new")]


def test_the_card_tells_of_the_lists() -> None:
    described: dict[str, Any] = ONNX.describe(taught(ItemNeighbours, 50))
    assert [port["name"] for port in described["optional_inputs"]] == ["k", "exclude", "exclude_seen"]
    assert [port["name"] for port in described["further_outputs"]] == ["recommended", "scores"]
    assert "optional_inputs" not in ONNX.describe(LinearRegressor())


@pytest.mark.parametrize(("k", "users"), [(0, ["ann"]), (1.5, ["ann"]), (1, [None]), (1, [True])])
def test_what_cannot_be_asked_is_refused(k: Any, users: Sequence[Any]) -> None:
    file = ONNX.export(taught(DecayedPopularity, 20), {})
    with pytest.raises((ValueError, InvalidEventError), match=r"must be .*(integer|>= 1)"):
        ONNX.recommend(file, users, k)


def test_a_file_of_numbers_recommends_nothing() -> None:
    model = LinearRegressor()
    model.learn_one({"a": 1.0}, 2.0)
    with pytest.raises(ExportError, match="A snapshot of LinearRegressor recommends nothing"):
        ONNX.recommend(ONNX.export(model, {}), ["ann"])
