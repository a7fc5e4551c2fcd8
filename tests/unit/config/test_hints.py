"""Error texts of the configuration say where a key belongs and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgedescent import config
from edgedescent.daemon.preflight import check_exporter
from edgedescent.errors import ConfigError
from edgedescent_mqtt.client import tls_context
from edgedescent_onnx import adapter


def hint(text: str, folder: Path) -> str:
    path = folder / "device.toml"
    path.write_text(f'device = "pump-7"\n{text}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(path, {}).build_learner()
    return caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[learner]\ntype = "LinearRegressor"\nlr = 0.1', "It belongs in the table [learner.optimizer]"),
        ('[learner]\ntype = "LinearRegressor"\nq = 0.9', "It belongs in the table [learner.loss]"),
        ('[loss]\ntype = "SquaredLoss"', "Put it into the table [learner.loss]."),
        ('[optimizer]\ntype = "SGD"', "Put it into the table [learner.optimizer]."),
        ("lr = 0.1", "It belongs in the table [learner.optimizer]"),
        ('[learner]\ntype = "LinearRegressor"\noptimzer = "SGD"', "Did you mean `optimizer`?"),
        ('[topics]\nevents = "s/#"', 'Write a list: ["s/#"].'),
        ('[learner]\ntype = "LinearRegressor"\ncategories = "site"', 'Write a list: ["site"].'),
    ],
)
def test_hints(text: str, expected: str, tmp_path: Path) -> None:
    assert hint(text, tmp_path).startswith(expected)


def test_a_missing_tls_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    for files, message in (
        (
            (tmp_path / "no.pem", None, None),
            r"`broker.tls`: the certificates cannot be used: the CA file '.*no\.pem' does not exist",
        ),
        ((None, tmp_path / "no.crt", None), r"the certificate '.*no\.crt' does not exist"),
        ((tmp_path / "ca.pem", tmp_path / "ca.pem", tmp_path / "no.key"), r"the key '.*no\.key' does not exist"),
    ):
        with pytest.raises(ConfigError, match=message):
            tls_context("broker.tls", *files)


def test_snapshots_without_onnx_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device.toml"
    path.write_text('device = "pump-7"\n[snapshots]\nevery_events = 100\n', encoding="utf-8")
    with_snapshots = config.load(path, {})
    assert list(check_exporter(with_snapshots)) == []
    monkeypatch.setattr(adapter, "find_spec", lambda _name: None)
    (result,) = check_exporter(with_snapshots)
    assert (result.level, result.hint) == ("warning", "Install with: pip install 'edgedescent[onnx]'.")
    assert "onnx, onnxruntime are not installed" in result.message
    path.write_text('device = "pump-7"\n', encoding="utf-8")
    assert list(check_exporter(config.load(path, {}))) == []
