"""The table [recommend]."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgedescent import config
from edgedescent.errors import ConfigError

RANKER = 'device = "shop"\n[learner]\ntype = "AutoRanker"\n'


def load(folder: Path, text: str) -> config.Config:
    path = folder / "device.toml"
    path.write_text(text)
    return config.load(path, {}, check_adapters=True)


def test_an_empty_table_answers_requests(tmp_path: Path) -> None:
    loaded = load(tmp_path, RANKER + "[recommend]\n")
    assert loaded.subscriptions() == ["edgedescent/shop/events", "edgedescent/shop/recommend"]
    assert loaded.output_topics()["recommend.responses"] == "edgedescent/shop/recommendations"
    settings = loaded.engine_settings().recommend
    assert settings is not None
    assert (settings.topic, settings.k, settings.after) == ("edgedescent/shop/recommend", 10, None)
    assert loaded.build_engine().recommending is not None


def test_without_the_table_there_is_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, RANKER)
    assert loaded.subscriptions() == loaded.event_topics()
    assert "recommend.responses" not in loaded.output_topics()
    engine = loaded.build_engine()
    assert engine.recommending is None
    assert not [name for name in engine.state_dict() if name.startswith("ranking")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("k = 0", "`recommend.k` is 0: expected `int` >= 1."),
        ("k = 1001", "`recommend.k` is 1001: expected `int` <= 1000."),
        ('after = "events"', "`recommend.after` is 'events': expected one of 'event'."),
        ("retain = true", '`recommend.retain` is true: expected `after = "event"` beside it.'),
        ("diversity = 0.5", "`recommend.diversity` is 0.5: expected `category` beside it."),
        ("per_category = 2", "`recommend.per_category` is 2: expected `category` beside it."),
        ('category = "kind"\nper_category = 0', "`recommend.per_category` is 0: expected `int` >= 1."),
        ('category = "kind"\ndiversity = 2.0', "`recommend.diversity` is 2.0: expected `float` <= 1.0."),
        ("likes_from = nan", "`recommend.likes_from` is nan: expected a finite number."),
        ("score_every = -1", "`recommend.score_every` is -1: expected `int` >= 0."),
        ('topic = "shop/#"', "`recommend.topic` is 'shop/#': expected a topic without the wildcards + and #."),
        ('responses = ""', "`recommend.responses` is ''"),
        ('topic = "edgedescent/{device}/events"', "which 'edgedescent/shop/events' of `topics.events` matches too"),
        (
            'topic = "edgedescent/{device}/status"',
            "`recommend.topic` is 'edgedescent/shop/status': expected another topic than `topics.status`.",
        ),
        (
            'responses = "a"\ntopic = "a"',
            "`recommend.topic` is 'a': expected another topic than `recommend.responses`.",
        ),
        ("exclude_sen = true", "`recommend.exclude_sen` is not a known key"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{RANKER}[recommend]\n{text}\n")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_retained_must_not_come_back(tmp_path: Path) -> None:
    text = 'device = "shop"\n[learner]\ntype = "AutoRanker"\n[topics]\nevents = ["lists/+"]\n[recommend]\n'
    load(tmp_path, text + 'responses = "lists"\nafter = "event"\n')
    with pytest.raises(ConfigError, match="matches too"):
        load(tmp_path, text + 'responses = "lists"\nafter = "event"\nretain = true\n')


def test_a_learner_that_recommends_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LinearRegressor recommends nothing") as caught:
        load(tmp_path, 'device = "shop"\n[learner]\ntype = "LinearRegressor"\n[recommend]\n')
    assert caught.value.hint == 'For example type = "AutoRanker".'
