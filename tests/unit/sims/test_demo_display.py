"""What the demo tells of a model."""

from __future__ import annotations

import gzip
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedescent import LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.errors import ConfigError
from edgedescent_sims.demo import packages, session
from edgedescent_sims.demo.display import feature_effects, learned_lines
from edgedescent_sims.demo.session import DemoSession
from edgedescent_sims.publish.stream import PublishReport
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource
from edgedescent_sims.sources.titles import titles_beside


@pytest.mark.parametrize("kind", [LinearRegressor, MLPRegressor])
def test_an_effect_is_how_far_a_feature_moves_predictions(kind: Any) -> None:
    model = kind()
    events = []
    for n in range(4000):
        x = {"large": math.sin(n), "small": math.cos(3.7 * n), "none": math.sin(11.3 * n), "site": "ns"[n % 2]}
        model.learn_one(x, 10.0 * x["large"] + 1.0 * x["small"] + (3.0 if n % 2 else -3.0))
        events.append(x)
    effects = feature_effects(model, events[-100:])
    # The mean size of a sine is 2 / pi.
    assert effects["large"] == pytest.approx(6.37, rel=0.15)
    assert effects["small"] == pytest.approx(0.637, rel=0.5)
    assert effects["site"] == pytest.approx(3.0, rel=0.2)
    assert effects["none"] < 0.2
    assert learned_lines(model, events[-100:], most=2)[0].startswith("large ")
    assert learned_lines(model, events[-100:], most=2)[2] == "and 2 more features"


def test_a_recommender_shows_what_one_likes_more_than_others() -> None:
    ranker = MatrixFactorization()
    for n in range(300):
        for user in ("ann", "bob", "cat"):
            ranker.learn_one(user, "bread", 5.0)
            ranker.learn_one(user, f"filler{n % 40}", 3.0)
        ranker.learn_one("ann", "tea" if n % 2 else "herbs", 5.0)
        ranker.learn_one("bob", "tea" if n % 2 else "herbs", 1.0)
    lines = learned_lines(ranker, titles={"filler0": "A title"})
    assert lines[0] == "3 users and 43 items, 10 factors each"
    assert all(line.startswith("for user ") for line in lines[1:])
    shown = [line for line in lines if "A title" in line or "filler" in line]
    assert shown, lines


def test_the_time_of_a_demo_ends_with_the_last_event_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = DemoSession(InMemorySource(Batch.of({"a": np.ones(3)}, np.ones(3))), tmp_path)
    handled = {"events_learned": 0, "events_predicted": 0, "duplicates": 0, "dead_letters": 0}
    demo.metrics = [handled]
    sent = PublishReport(3, 3, 0.001, 3000.0, 0, 0, 0, 0, False)
    monkeypatch.setattr(demo, "_connection", lambda: None)
    monkeypatch.setattr(session, "publish", lambda *_args, **_options: sent)
    threading.Timer(0.2, lambda: demo.metrics.append({**handled, "events_learned": 3})).start()
    demo.replay(rate=1.0)
    assert demo.seconds >= 0.2


def test_titles_lie_beside_the_ratings(tmp_path: Path) -> None:
    ratings = tmp_path / "ratings.csv"
    assert titles_beside(ratings) == {}
    with gzip.open(tmp_path / "movies.dat.gz", "wt", encoding="utf-8") as file:
        file.write("0002844::Fantômas (1913)::Crime\nbroken\n")
    assert titles_beside(ratings) == {"0002844": "Fantômas (1913)"}
    (tmp_path / "movies.csv").write_text('movieId,genres,title\n1,Comedy,"Toy Story, A (1995)"\n2\n', encoding="utf-8")
    assert titles_beside(ratings) == {"1": "Toy Story, A (1995)"}


def test_what_is_not_installed_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"onnx", "river", "amqtt"}
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name in absent else object())
    monkeypatch.setattr(packages, "find_mosquitto", lambda: None)
    with pytest.raises(ConfigError, match="not installed: onnx, river, amqtt") as caught:
        packages.require_packages(with_river=True)
    assert caught.value.hint == "Install them with: pip install 'edgedescent[demo]'."
    absent -= {"onnx"}
    with pytest.raises(ConfigError, match="not installed: amqtt") as caught:
        packages.require_packages(with_river=False)
    assert caught.value.hint.endswith("or install the broker mosquitto.")
    absent.clear()
    packages.require_packages(with_river=True)


def test_a_learner_of_other_events_is_refused(tmp_path: Path) -> None:
    source = InMemorySource(Batch.of({"a": np.ones(3)}, np.ones(3)))
    with pytest.raises(ConfigError, match="BPR does not learn from features"):
        DemoSession(source, tmp_path / "demo", learner="BPR")
    with pytest.raises(ConfigError, match="`--learner` is 'Liner'"):
        DemoSession(source, tmp_path / "demo", learner="Liner")
