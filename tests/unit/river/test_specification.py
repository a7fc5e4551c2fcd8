"""River's models as a configuration file writes them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")

from river import compose, linear_model, optim, preprocessing

from edgedescent import config
from edgedescent.errors import ConfigError
from edgedescent_river import RiverRecommender, RiverRegressor
from edgedescent_river.specification import build, describe

ROOT = Path(__file__).parents[3]


def load(tmp_path: Path, learner: str, **environment: str) -> config.Config:
    path = tmp_path / "device.toml"
    path.write_text(f'device = "pump"\n[learner]\n{learner}\n', encoding="utf-8")
    return config.load(path, environment)


def test_a_file_describes_a_pipeline(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
        type = "RiverRegressor"
        model = [
            "preprocessing.StandardScaler",
            {type = "linear_model.LinearRegression", optimizer = {type = "optim.Adam", lr = 0.02}},
        ]
        """,
    )
    river = loaded.build_learner().river  # type: ignore[attr-defined]
    assert [type(step) for step in river.steps.values()] == [
        preprocessing.StandardScaler,
        linear_model.LinearRegression,
    ]
    assert type(river["LinearRegression"].optimizer) is optim.Adam
    assert river["LinearRegression"].optimizer.learning_rate == 0.02


def test_lists_are_pipelines_where_one_model_is_expected_and_lists_where_several_are() -> None:
    bagging = build(
        {"type": "ensemble.BaggingRegressor", "model": ["preprocessing.StandardScaler", "linear_model.PARegressor"]},
        seed=1,
    )
    assert type(bagging.model) is compose.Pipeline
    ensemble = build(
        {"type": "ensemble.EWARegressor", "models": ["linear_model.PARegressor", "linear_model.LinearRegression"]},
        seed=1,
    )
    assert [type(m).__name__ for m in ensemble.models] == ["PARegressor", "LinearRegression"]


def test_texts_stay_texts_where_river_wants_texts() -> None:
    names = ["stats.mean", "optim", "a"]
    assert build({"type": "compose.Discard", "keys": names}, seed=1).keys == set(names)
    tree = build({"type": "tree.HoeffdingTreeRegressor", "leaf_prediction": "mean"}, seed=1)
    assert tree.leaf_prediction == "mean"


LINEAR = "linear_model.LinearRegression"
# What is written for `model`, and what is told of it.
WRONG: list[tuple[Any, str]] = [
    ("LinearRegression", "`model` is 'LinearRegression': expected the path of a class in a package of River."),
    ("linear_mode.LinearRegression", "in a package of River. Did you mean `linear_model`?"),
    ("linear_model.LinearRegresion", "a name of river.linear_model. Did you mean `LinearRegression`?"),
    ("linear_model.lin_reg.LinearRegression", "`model` is 'linear_model.lin_reg.LinearRegression': expected a name of"),
    ("optim.loses.Squared", "`model` is 'optim.loses.Squared': expected a name of river.optim. Did you mean `losses`?"),
    ("datasets.TrumpApproval", "expected the path of a class in a package of River."),
    ("os.system", "`model` is 'os.system': expected the path of a class in a package of River."),
    ("", "`model` is '': expected the path of a class of River"),
    (3, "`model` is 3: expected the path of a class of River"),
    ([], "`model` is []: expected the path of a class of River"),
    ({}, "`model` is {}: expected the path of a class of River"),
    ({"type": 3}, "`model.type` is 3: expected the path of a class of River"),
    ({"type": LINEAR, "l": 1}, "`model.l` is not a parameter of linear_model.LinearRegression: expected one of "),
    ({"type": LINEAR, "optimzer": 1}, "Did you mean `optimizer`?"),
    ({"type": LINEAR, "l2": "much"}, "`model.l2` is 'much': expected float."),
    (
        {"type": LINEAR, "optimizer": "optim.Adm"},
        "`model.optimizer` is 'optim.Adm': expected a name of river.optim. Did you mean `Adam`?",
    ),
    ({"type": LINEAR, "optimizer": "fast"}, "`model.optimizer` is 'fast': expected optim.base.Optimizer | None."),
    (
        {"type": LINEAR, "optimizer": {"type": "optim.Adam", "lr": "fast"}},
        "`model.optimizer.lr` is 'fast': expected int | float | optim.base.Scheduler.",
    ),
    (
        ["preprocessing.StandardScaler", {"type": "linear_model.PARegressor", "c": 1}],
        "`model[1].c` is not a parameter of linear_model.PARegressor: expected one of C, ",
    ),
    (
        ["preprocessing.StandardScaler", "linear_model.Nothing"],
        "`model[1]` is 'linear_model.Nothing': expected a name of river.linear_model.",
    ),
    (["preprocessing.StandardScaler", "text"], "`model[1]` is 'text': expected the path of a class"),
    ({"type": "ensemble.BaggingRegressor"}, "`model.model` is missing: BaggingRegressor has no default for it."),
    ({"type": "compose.Select", "keys": "a"}, "`model.keys` is 'a': expected a list."),
    ("optim.base.Loss", "`model` is Loss, which is abstract: expected a class that is complete."),
    ("preprocessing.StandardScaler", "`model` ends in River's StandardScaler: expected a regressor of one target."),
    (
        "linear_model.LogisticRegression",
        "`model` ends in River's LogisticRegression: expected a regressor of one target.",
    ),
    ("tree.iSOUPTreeRegressor", "`model` "),
    ("reco.BiasedMF", "`model` ends in River's BiasedMF: expected a regressor of one target."),
    ({"type": "forest.ARFRegressor", "n_models": "ten"}, "`model.n_models` is 'ten': expected int."),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG, ids=lambda v: str(v)[:40])
def test_what_is_wrong_is_told_in_a_line(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r"^The `model` of RiverRegressor cannot be used: ") as caught:
        RiverRegressor(wrong)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recommender_wraps_only_recommenders() -> None:
    with pytest.raises(ValueError, match=r"`model` is River's LinearRegression: expected one of river\.reco"):
        RiverRecommender("linear_model.LinearRegression")


def test_a_wrong_file_is_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, 'type = "RiverRegressor"\nmodel = "linear_model.LinearRegresion"')
    assert "device.toml: `learner`: The `model` of RiverRegressor cannot be used: `model` is " in str(caught.value)
    with pytest.raises(ConfigError, match=r"`learner.model` is 3: expected"):
        load(tmp_path, 'type = "RiverRegressor"\nmodel = 3')
    with pytest.raises(ConfigError, match=r"`learner.model` is missing"):
        load(tmp_path, 'type = "RiverRegressor"')
    with pytest.raises(ConfigError, match=r"The `seed` of RiverRegressor must be an integer >= 0"):
        load(tmp_path, 'type = "RiverRegressor"\nmodel = "linear_model.LinearRegression"\nseed = -1')


def test_the_environment_may_name_the_model(tmp_path: Path) -> None:
    text = 'type = "RiverRegressor"\nmodel = {type = "linear_model.LinearRegression"}'
    changed = load(tmp_path, text, EDGEDESCENT_LEARNER__MODEL__L2="0.5").build_learner()
    assert changed.river.l2 == 0.5  # type: ignore[attr-defined]
    named = load(tmp_path, text, EDGEDESCENT_LEARNER__MODEL="linear_model.PARegressor").build_learner()
    assert type(named.river) is linear_model.PARegressor  # type: ignore[attr-defined]


def test_a_function_of_ones_own_cannot_be_described() -> None:
    with pytest.raises(ValueError, match=r"`model\[0\].func` is <function .*expected something public of River"):
        describe(compose.FuncTransformer(lambda x: x) | linear_model.LinearRegression())


class TestFinding:
    def test_choices_are_listed_without_importing_river(self) -> None:
        code = (
            "import sys\nfrom edgedescent import config\n"
            "from edgedescent.errors import ConfigError\nfrom edgedescent.learners import Learner\n"
            "try:\n    config.build(Learner, {'type': 'RiverRegresor'}, 'learner')\n"
            "except ConfigError as error:\n    print(error, error.hint)\nprint('river' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        message, imported = done.stdout.strip().splitlines()
        assert "expected one of auto, AutoRanker, AutoRecommender, AutoRegressor, BPR, DecayedPopularity, " in message
        assert "RiverRecommender, RiverRegressor. Did you mean `RiverRegressor`?" in message
        assert imported == "False"

    def test_without_river_the_extra_is_named(self) -> None:
        code = (
            "import sys\nsys.modules['river'] = None\nfrom edgedescent import config\n"
            "from edgedescent.errors import ConfigError\nfrom edgedescent.learners import Learner\n"
            "try:\n    config.build(Learner, {'type': 'RiverRegressor', 'model': 'x'}, 'learner')\n"
            "except ConfigError as error:\n    print(error, error.hint)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("The learner 'RiverRegressor' cannot be imported: ")
        assert done.stdout.strip().endswith("Install what it needs with: pip install 'edgedescent[river]'")


def test_the_exporter_refuses_it_in_a_line() -> None:
    from edgedescent.errors import ExportError
    from edgedescent_onnx import OnnxAdapter

    with pytest.raises(ExportError, match="There is no ONNX graph for the learner RiverRegressor"):
        OnnxAdapter().export(RiverRegressor("linear_model.LinearRegression"), {})


README = (ROOT / "adapters/edgedescent_river/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
def test_the_snippets_of_the_readme_run(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], capture_output=True, check=True)


def test_the_configuration_of_the_readme_is_right(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert isinstance(load(tmp_path, text.removeprefix("[learner]\n")).build_learner(), RiverRegressor)
    RiverRegressor({"type": "neighbors.KNNRegressor", "engine": {"type": "neighbors.LazySearch"}})


def test_the_sample_runs() -> None:
    learner = config.load(ROOT / "adapters/edgedescent_river/wrapped.toml", environment={}).build_learner()
    assert isinstance(learner, RiverRegressor)
