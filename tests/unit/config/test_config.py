from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from edgedescent import LinearRegressor, MatrixFactorization, config
from edgedescent.config import Config
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent.losses import AdaptiveHuberLoss, Loss, SquaredLoss
from edgedescent.optim import SGD, Adam, Optimizer

BASE = 'device = "pump"\n[learner]\ntype = "LinearRegressor"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.toml"


def load(path: Path, text: str, **environment: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return config.load(path, environment, check_adapters=True)


def fault(path: Path, text: str, **environment: str) -> str:
    """The one line that a user sees: message and hint, without the path that it begins with."""
    with pytest.raises(ConfigError) as caught:
        load(path, text, **environment)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    line = f"{message} {caught.value.hint}".strip()
    assert "\n" not in line
    assert len(line) < 600
    return line.removeprefix(f"{path}: ")


def test_the_defaults_are_a_working_configuration(path: Path) -> None:
    loaded = load(path, BASE)
    assert loaded.event_topics() == ["edgedescent/pump/events"]
    assert loaded.topic("status") == "edgedescent/pump/status"
    assert repr(loaded.build_learner()) == "LinearRegressor()"
    assert repr(load(path, 'device = "pump"\n').build_learner()) == "AutoRegressor()"


# Each line: what is written behind the smallest configuration, and what is told of it, word for word where it matters.
WRONG = [
    # Unknown keys, at each level.
    ("[limit]\n", "`limit` is not a known key: expected one of device, learner, ", "Did you mean `limits`?"),
    ("[state]\npth = 'x'\n", "`state.pth` is not a known key: expected one of path, ", "Did you mean `path`?"),
    ("[state.x]\ny = 1\n", "`state.x` is not a known key", ""),
    ("featurs_max = 3\n", "`learner.featurs_max` is not a known key", "Did you mean `features_max`?"),
    ("optimizer = {type = 'SGD', lrr = 1}\n", "`learner.optimizer.lrr` is not a known key", "Did you mean `lr`?"),
    ("[broker]\nhosst = 'x'\n", "`broker.hosst` is not a known key: expected one of host, ", "Did you mean `host`?"),
    ("[broker.tls]\nca_fle = 'x'\n", "`broker.tls.ca_fle` is not a known key", "Did you mean `ca_file`?"),
    ('"two\\nlines" = 1\n', r'`learner."two\nlines"` is not a known key', ""),
    # Wrong types.
    ("[limits]\npayload_bytes_max = '1MB'\n", "`limits.payload_bytes_max` is '1MB': expected `int`, got `str`.", ""),
    ("[limits]\npayload_bytes_max = true\n", "`limits.payload_bytes_max` is true: expected `int`, got `bool`.", ""),
    ("[snapshots]\nkeep = 1.5\n", "`snapshots.keep` is 1.5: expected `int`, got `float`.", ""),
    ("[snapshots]\nevery_s = '1h'\n", "`snapshots.every_s` is '1h': expected `float`, got `str`.", ""),
    ("[metrics]\ninterval_s = 2020-01-01\n", "`metrics.interval_s` is datetime.date(2020, 1, 1): expected", ""),
    ("[state]\npath = 3\n", "`state.path` is 3: expected `str`, got `int`.", ""),
    ("[topics]\nevents = 'a'\n", "`topics.events` is 'a': expected `array`, got `str`.", ""),
    ("[topics]\nevents = [1]\n", "`topics.events[0]` is [1]: expected `str`, got `int`.", ""),
    ("optimizer = [1]\n", "`learner.optimizer` is [1]: expected a table with a `type`.", ""),
    ("features_max = 1.5\n", "`learner.features_max` is 1.5: expected `int`, got `float`.", ""),
    ("l2 = true\n", "`learner.l2` is true: expected `float`, got `bool`.", ""),
    ("optimizer = {type = 'Adam', lr = 'x'}\n", "`learner.optimizer.lr` is 'x': expected `float`, got `str`.", ""),
    ("[broker]\ntls = true\n", "`broker.tls` is true: expected a table.", ""),
    # Out of range.
    ("[limits]\ndedup_window = 0\n", "`limits.dedup_window` is 0: expected `int` >= 1.", ""),
    ("[limits]\ndedup_window = 10000000000\n", "`limits.dedup_window` is 10000000000: expected `int` <= 10000000.", ""),
    ("[state]\njournal_bytes_max = 99999999999999999999\n", "`state.journal_bytes_max` is 99999999999999999999: ", ""),
    ("[state]\ncheckpoint_interval_s = 0\n", "`state.checkpoint_interval_s` is 0: expected `float` > 0", ""),
    ("[state]\ncheckpoint_interval_s = nan\n", "`state.checkpoint_interval_s` is nan: expected `float` > 0", ""),
    ("[state]\ncheckpoint_interval_s = inf\n", "`state.checkpoint_interval_s` is inf: expected `float` <= ", ""),
    ("[snapshots]\ntolerance = inf\n", "`snapshots.tolerance` is inf: expected `float` < 1", ""),
    ("[topics]\nevents = []\n", "`topics.events` is []: expected `array` of length >= 1.", ""),
    (
        "[state]\npath = '~/state'\n",
        "`state.path` is '~/state': `~` is not expanded.",
        "Give the absolute path.",
    ),
    ("[state]\npath = ''\n", "`state.path` is '': expected the path of a folder.", ""),
    ("[state]\npath = 'a\0b'\n".replace("'a\0b'", '"a\\u0000b"'), r"`state.path` is 'a\x00b': expected the path", ""),
    ("[broker]\nport = 65536\n", "`broker.port` is 65536: expected `int` <= 65535.", ""),
    ("optimizer = {type = 'Adam', lr = -1}\n", "`learner.optimizer`: The `lr` of Adam must be > 0. Got -1.0.", ""),
    ("optimizer = {type = 'SGD', lr = nan}\n", "`learner.optimizer`: The `lr` of SGD must be > 0. Got nan.", ""),
    ("optimizer = {type = 'Adam', beta1 = 1}\n", "`learner.optimizer`: The `beta1` of Adam must be >= 0 and < 1", ""),
    ("loss = {type = 'AdaptiveHuberLoss', k = 1}\n", "`learner.loss`: The `k` of AdaptiveHuberLoss must be > 1.", ""),
    ("clip = 0\n", "`learner`: The `clip` of LinearRegressor must be > 0. Got 0.0.", ""),
    ("l2 = 1" + "0" * 400 + "\n", "…: number out of range.", ""),
    # Not one of the choices.
    ("[state]\ndurability = 'powr'\n", "expected one of 'power', 'process'.", "Did you mean `power`?"),
    ("[limits]\nid_scope = 'topics'\n", "expected one of 'topic', 'device'.", "Did you mean `topic`?"),
    ("[limits]\nreused_ids = 'learned'\n", "expected one of 'learn', 'drop'.", "Did you mean `learn`?"),
    ("[state]\ndurability = 1\n", "`state.durability` is 1: expected one of 'power', 'process'.", ""),
    ("[broker]\nprotocol = 5\n", "`broker.protocol` is 5: expected one of '5', '3.1.1'.", ""),
    ("[broker]\nqos = 'one'\n", "`broker.qos` is 'one': expected `int`, got `str`.", ""),
    (
        "[broker]\nqos = 2\n",
        "`broker.qos` is 2: expected 0 or 1.",
        " cannot wait for the journal. 1 and ids do the same.",
    ),
    ("[broker]\nqos = -1\n", "`broker.qos` is -1: expected 0 or 1.", ""),
    ("when_full = 'evct'\n", "is 'evct': expected one of 'evict', 'share'. Did you mean `evict`?", ""),
    ("optimizer = 'Adm'\n", "`learner.optimizer.type` is 'Adm': expected one of ", "Did you mean `Adam`?"),
    ("loss = {type = 'Squared'}\n", "`learner.loss.type` is 'Squared': expected one of", "Did you mean `SquaredLoss`?"),
    ("loss = {}\n", "`learner.loss.type` is missing: expected one of AbsoluteLoss, ", ""),
    ("[predictions]\ninterval = 90\n", "`predictions.interval` is 90: expected `float` <= 0.99.", ""),
    ("[predictions]\ninterval = 0.3\n", "`predictions.interval` is 0.3: expected `float` >= 0.5.", ""),
    # Adapters.
    ("[broker]\npassword_file = 'a'\npassword_env = 'b'\n", "`broker`: give `password_file` or `password_env`", ""),
    ("[broker.tls]\nca_file = '/nowhere'\n", "`broker.tls`: the certificates cannot be used", ""),
    # Topics.
    (
        "[topics]\npredictions = 'a/#'\n",
        "`topics.predictions` is 'a/#': expected a topic without the wildcards",
        "",
    ),
    ("[topics]\nmetrics = ''\n", "`topics.metrics` is '': expected 1 to 65535 bytes", ""),
    ("[topics]\nevents = ['a/#/b']\n", "`topics.events[0]` is 'a/#/b'", ""),
    ("[topics]\nevents = ['x', 'edgedescent/#']\n", "which 'edgedescent/#' of `topics.events` matches too.", ""),
    ("[topics]\nevents = ['+/+/metrics']\n", "`topics.metrics` is 'edgedescent/pump/metrics', which", ""),
    ("[topics]\nevents = ['$share/g/edgedescent/pump/status']\n", "`topics.status` is 'edgedescent/pump/status'", ""),
    ("[topics]\nevents = ['edgedescent/pump/status/#']\n", "`topics.status` is 'edgedescent/pump/status', which", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG, ids=[text[:40].strip() for text, _, _ in WRONG])
def test_what_is_wrong_is_told_in_one_line(path: Path, text: str, message: str, hint: str) -> None:
    line = fault(path, BASE + text)
    assert message in line
    assert line.endswith(hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`device` is missing."),
        ("devic = 'x'\n" + BASE, "`devic` is not a known key"),
        ("transport = 'mqt'\n" + BASE, "`transport` is 'mqt': expected one of mqtt. Did you mean `mqtt`?"),
        ("transport = 'onnx'\n" + BASE, "`transport` is 'onnx': expected one of mqtt."),
        ("broker = 'x'\n" + BASE, "`broker` is 'x': expected a table."),
        ("state = []\n" + BASE, "`state` is []: expected a table."),
        (BASE.replace('"pump"', '"a/b"'), "`device` is 'a/b': expected one level of a topic, without / + #."),
        (BASE.replace('"pump"', '"a\\n"'), r"`device` is 'a\n': expected 1 to 64 characters"),
        (BASE.replace('"pump"', '""'), "`device` is '': expected 1 to 64 characters"),
        (BASE.replace('"pump"', f'"{"a" * 65}"'), "expected 1 to 64 characters"),
        (BASE.replace('"pump"', "7"), "`device` is 7: expected `str`, got `int`."),
        (BASE.replace("LinearRegressor", "LinearRegresor"), "Did you mean `LinearRegressor`?"),
        (
            BASE.replace("LinearRegressor", "Learner"),
            "expected one of auto, AutoRanker, AutoRecommender, AutoRegressor, BPR, ",
        ),
        (
            BASE.replace('"LinearRegressor"', "3"),
            "`learner.type` is 3: expected one of auto, AutoRanker, AutoRecommender, AutoRegressor, BPR, ",
        ),
        (
            'device = "pump"\n[learner]\nl2 = 1.0\n',
            "`learner.type` is missing: expected one of auto, AutoRanker, AutoRecommender, AutoRegressor, ",
        ),
        ('device = "pump"\nlearner = 3\n', "`learner` is 3: expected a table or a name."),
        ('device = "pump"\nlearner = "autos"\n', "`learner.type` is 'autos': expected one of auto, "),
        ("device = \n", "not valid TOML: Invalid value (at line 1, column 10)."),
        ('device = "a"\ndevice = "b"\n', "not valid TOML: Cannot overwrite a value"),
        (BASE + "x = " + "[" * 3000 + "]" * 3000 + "\n", "not valid TOML"),
        (BASE + f"x = {'9' * 5000}\n", "not valid TOML: Exceeds the limit"),
        *(
            (
                BASE.replace("LinearRegressor", kind) + "[predictions]\ninterval = 0.9\n",
                f"`predictions.interval` is 0.9: expected none for {kind}, whose labels are no amounts.",
            )
            for kind in ("BPR", "LogisticRegressor")
        ),
        (BASE + f"[metrics]\nlisten = '127.0.0.1:{'9' * 5000}'\n", "expected an address and a port."),
    ],
)
def test_what_is_wrong_at_the_top_is_told_in_one_line(path: Path, text: str, message: str) -> None:
    assert message in fault(path, text)


@pytest.mark.parametrize("learner", ["learner = 'auto'\n", "[learner]\ntype = 'auto'\n", "learner = 'AutoRegressor'\n"])
def test_a_learner_may_be_its_name_alone(path: Path, learner: str) -> None:
    loaded = load(path, learner, EDGEDESCENT_DEVICE="pump")
    assert repr(loaded.build_learner()) == "AutoRegressor()"
    assert loaded.describe_learner()["type"] == "AutoRegressor"


@pytest.mark.parametrize(
    "text",
    [
        "seed = 99999999999999999999\n",
        "users_max = 99999999\n",
        "n_factors = 0\n",
        "init_scale = -1.0\n",
        "forgetting = 1.0\n",
    ],
)
def test_each_parameter_of_a_learner_has_its_range(path: Path, text: str) -> None:
    name = text.split(" ", maxsplit=1)[0]
    line = fault(path, 'device = "pump"\n[learner]\ntype = "MatrixFactorization"\n' + text)
    assert f"`learner`: The `{name}` of MatrixFactorization must be" in line


@pytest.mark.parametrize(
    ("data", "message"),
    [(b'device = "\xff"\n', "not UTF-8 at byte 10."), (BASE.encode("utf-16"), "not UTF-8 at byte 0.")],
)
def test_a_file_that_is_not_utf8_is_refused(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        config.load(path, {})
    assert str(caught.value) == f"{path}: {message}"


def test_line_ends_and_the_byte_order_mark_of_other_systems_are_taken(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert config.load(path, {}).device == "pump"


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file or directory\.$") as caught:
        config.load(tmp_path / "nowhere.toml", {})
    assert caught.value.hint == "Give the path of a TOML file."
    with pytest.raises(ConfigError, match=r": Is a directory\.$"):
        config.load(tmp_path, {})


def test_the_environment_overrides_the_file(path: Path) -> None:
    loaded = load(
        path,
        BASE,
        EDGEDESCENT_DEVICE="007",
        EDGEDESCENT_STATE__PATH="/var/lib/a b",
        EDGEDESCENT_LIMITS__DEDUP_WINDOW="100",
        EDGEDESCENT_SNAPSHOTS__EVERY_S="1.5",
        EDGEDESCENT_TOPICS__EVENTS='["a", "b/{device}"]',
        EDGEDESCENT_LEARNER__OPTIMIZER='{type = "SGD", lr = 0.5}',
        EDGEDESCENT_LEARNER__WHEN_FULL="share",
        OTHER_DEVICE="x",
    )
    assert loaded.device == "007"
    assert loaded.state.path == "/var/lib/a b"
    assert loaded.limits.dedup_window == 100
    assert loaded.snapshots.every_s == 1.5
    assert loaded.event_topics() == ["a", "b/007"]
    learner = loaded.build_learner()
    assert isinstance(learner, LinearRegressor)
    assert learner.optimizer == SGD(lr=0.5)
    assert learner.when_full == "share"


@pytest.mark.parametrize("text", ["7", "true", "1.5", "2020-01-01", '"quoted"', "[1]"])
def test_where_text_is_expected_a_variable_is_taken_as_it_is(path: Path, text: str) -> None:
    assert load(path, BASE, EDGEDESCENT_DEVICE=text).device == text


def test_the_environment_reaches_the_adapters_part(path: Path) -> None:
    environment = {
        "EDGEDESCENT_BROKER__HOST": "10",
        "EDGEDESCENT_BROKER__PORT": "1884",
        "EDGEDESCENT_BROKER__PROTOCOL": "5",
        "EDGEDESCENT_BROKER__QOS": "0",
        "EDGEDESCENT_BROKER__USERNAME": "123",
    }
    from edgedescent_mqtt import MqttAdapter

    loaded = load(path, BASE, **environment)
    broker = config.convert(loaded.broker, MqttAdapter.Config, "broker")
    assert (broker.host, broker.port, broker.protocol, broker.qos, broker.username) == ("10", 1884, "5", 0, "123")


def test_a_table_may_come_whole_and_then_in_parts(path: Path) -> None:
    loaded = load(path, BASE, EDGEDESCENT_STATE='{path = "a", checkpoint_events = 5}', EDGEDESCENT_STATE__PATH="b")
    assert (loaded.state.path, loaded.state.checkpoint_events) == ("b", 5)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("FOO", "1", "`foo` is not a known key"),
        ("FOO__BAR", "1", "`foo` is not a known key"),
        ("", "1", '`""` is not a known key'),
        ("__", "1", '`""` is not a known key'),
        ("LIMITS__DEDUP_WINDOW", "many", "`limits.dedup_window` is 'many': expected `int`, got `str`."),
        ("LIMITS__DEDUP_WINDOW", "5\nkeep = 3", "expected `int`, got `str`."),
        ("LIMITS__DEDUP_WINDOW", "[" * 5000, "expected `int`, got `str`."),
        ("METRICS__INTERVAL_S", "-1", "`metrics.interval_s` is -1: expected `float` > 0"),
        ("STATE__DURABILITY", "powr", "Did you mean `power`?"),
        ("STATE", "x", "`state` is 'x': expected a table."),
        ("LEARNER__TYPE", "Linear", "`learner.type` is 'Linear': expected one of"),
        ("LEARNER__OPTIMIZER", "Adm", "`learner.optimizer.type` is 'Adm': expected one of"),
        ("LEARNER__OPTIMIZER__LR", "0.1", "`learner.optimizer.type` is missing: expected one of "),
        ("LEARNER__L2", "-1", "The `l2` of LinearRegressor must be >= 0. Got -1.0."),
        ("METRICS__INTERVAL_S", "9" * 5000, "`metrics.interval_s` is '999"),
        ("BROKER__PORT", "zero", "`broker.port` is 'zero': expected `int`, got `str`."),
    ],
)
def test_what_is_wrong_with_a_variable_names_it(path: Path, name: str, text: str, message: str) -> None:
    line = fault(path, BASE, **{f"EDGEDESCENT_{name}": text})
    assert message in line
    if name != "LEARNER__L2":  # The learner tells of its own parameters and knows no variables.
        assert f"It is set by the environment variable EDGEDESCENT_{name}." in line


def test_a_variable_that_clashes_with_a_value_is_refused(path: Path) -> None:
    line = fault(path, BASE, EDGEDESCENT_DEVICE__NAME="x")
    assert line == "The environment variable EDGEDESCENT_DEVICE__NAME needs a table, but `device` is 'pump'."
    line = fault(path, BASE, EDGEDESCENT_STATE="x", EDGEDESCENT_STATE__PATH="y")
    assert line == "The environment variable EDGEDESCENT_STATE__PATH needs a table, but `state` is 'x'."


def test_a_variable_that_is_not_text_is_refused(path: Path) -> None:
    line = fault(path, BASE, EDGEDESCENT_DEVICE=b"\xff".decode(errors="surrogateescape"))
    assert line == "The environment variable EDGEDESCENT_DEVICE is not UTF-8."


OPTIMIZERS: list[Optimizer] = [SGD(), SGD(lr=0.5), Adam(), Adam(lr=0.1, beta1=0.5, beta2=0.75, eps=1e-3)]
LOSSES: list[Loss] = [SquaredLoss(), AdaptiveHuberLoss(), AdaptiveHuberLoss(k=2.0, rate_min=0.5)]


@pytest.mark.parametrize("kind", [LinearRegressor, MatrixFactorization])
def test_a_described_learner_is_built_again(kind: Any) -> None:
    for optimizer, loss in itertools.product(OPTIMIZERS, LOSSES):
        learner = kind(optimizer=optimizer, loss=loss, forgetting=0.25, when_full="share")
        described = config.describe(learner)
        again = config.build(Learner, described, "learner")  # type: ignore[type-abstract, unused-ignore]
        assert type(again) is kind
        assert again.get_params() == learner.get_params()
        assert config.describe(again) == described


def test_every_parameter_survives_the_way_through_a_file(path: Path) -> None:
    import json

    for kind in (LinearRegressor, MatrixFactorization):
        described = json.loads(json.dumps(config.describe(kind())))
        lines = [f"{key} = {_toml(value)}" for key, value in described.items()]
        loaded = load(path, 'device = "pump"\n[learner]\n' + "\n".join(lines))
        assert config.describe(loaded.build_learner()) == config.describe(kind())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else repr(value)
