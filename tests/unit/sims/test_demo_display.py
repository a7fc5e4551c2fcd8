"""What the demo tells of a model."""

from __future__ import annotations

import gzip
import math
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgedescent import AutoRecommender, DecayedPopularity, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.engine.settings import RecommendSettings
from edgedescent.errors import ConfigError
from edgedescent_sims.demo import packages, recommending, session
from edgedescent_sims.demo.display import feature_effects, learned_lines, newcomer_lines
from edgedescent_sims.demo.recommending import Step
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


@pytest.mark.parametrize("ranker", [MatrixFactorization(), AutoRecommender(n_factors=10)], ids=repr)
def test_a_recommender_shows_what_one_likes_more_than_others(ranker: Any) -> None:
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


def test_what_is_new_in_a_list_is_marked() -> None:
    steps = [Step(None, ["1", "2"]), Step("7", ["2", "3"]), Step("8", [])]
    assert newcomer_lines(steps, {"7": "Sabrina (1995)", "3": "Heat (1995)"}) == [
        "at first: 1; 2",
        "after Sabrina (1995): 2; +Heat (1995)",
        "after 8: nothing",
    ]


def test_a_newcomer_likes_what_the_most_active_one_likes() -> None:
    stream: list[dict[str, Any]] = [{"user": f"u{n}", "item": "x", "y": 5.0} for n in range(5)]
    stream += [{"user": "ann", "item": f"i{n}", "y": float(n)} for n in range(6)] + [{"user": "ann", "item": "q"}]
    events = recommending.newcomer_events(stream)
    assert [(event["item"], event["y"]) for event in events] == [("i5", 5.0), ("i4", 4.0), ("i3", 3.0)]
    assert {event["user"] for event in events} == {recommending.NEWCOMER}
    assert recommending.newcomer_events([]) == []


def test_popularity_is_scored_as_the_daemon_scores() -> None:
    dice = np.random.default_rng(3)
    pairs = zip(dice.integers(40, size=600).tolist(), (40 * dice.random(600) ** 3).astype(int).tolist(), strict=True)
    stream = [{"user": f"u{user}", "item": f"i{item}", "y": 1.0} for user, item in pairs]
    text = recommending.config(DecayedPopularity)
    table = msgspec.toml.decode(text)["recommend"]
    engine = Engine(DecayedPopularity(), recommend=RecommendSettings(topic="t", **table))
    for position, event in enumerate(stream[:500], 1):
        engine.handle(Message(position, 5.0, "events", msgspec.json.encode(event)))
    assert recommending.popularity_hit_rate(stream, 500) == engine.metrics()["hit_rate_at_k"]
    assert "score_every = 0" in recommending.config(AutoRecommender)
