"""Plug-ins are found by name, and nothing but the one that is asked for is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgedescent.commands import COMMANDS
from edgedescent.errors import ConfigError
from edgedescent.learners import LEARNERS
from edgedescent.losses import LOSSES
from edgedescent.optim import OPTIMIZERS, SCHEDULES
from edgedescent.registry import EXPORTERS, TRANSPORTS, Registry
from support.command_line import device_file, run


class Widget:
    """A plug-in of the kinds that the tests make up."""


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """An installed package `otherpackage` that declares the widgets `first` and `second`."""
    (folder / "otherpackage.py").write_text(source, encoding="utf-8")
    info = folder / "otherpackage-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: otherpackage\nVersion: 1.0\n"
        "Requires-Dist: click>=3\nRequires-Dist: big-library>=1.2; extra == 'big'\n",
        encoding="utf-8",
    )
    (info / "entry_points.txt").write_text(
        "[edgedescent.widgets]\nsecond = otherpackage:Second\nfirst = otherpackage:First\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "otherpackage", raising=False)


@pytest.fixture
def widgets() -> Registry[Any]:
    return Registry("widget", "edgedescent.widgets", {"plain": f"{__name__}:Widget"}, base=object)


def test_built_in_plugins_come_before_those_of_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widgets: Registry[Any]
) -> None:
    assert list(widgets) == ["plain"]
    package(tmp_path, monkeypatch, "class First: ...\nclass Second: ...\n")
    assert list(widgets) == ["plain", "first", "second"]
    assert widgets.built_in == ("plain",)
    assert len(widgets) == 3
    assert "first" in widgets
    assert "otherpackage" not in sys.modules
    assert widgets.find("first", "widget").__module__ == "otherpackage"


@pytest.mark.parametrize(
    ("registry", "name", "path", "message", "hint"),
    [
        (EXPORTERS, "onx", "snapshots.exporter", "'onx': expected one of onnx.", "Did you mean `onnx`?"),
        (EXPORTERS, "mqtt", "snapshots.exporter", "'mqtt': expected one of onnx.", ""),
        (TRANSPORTS, "onnx", "transport", "'onnx': expected one of mqtt.", ""),
        (TRANSPORTS, True, "transport", "true: expected one of mqtt.", ""),
        (TRANSPORTS, ["mqtt"], "transport", "['mqtt']: expected one of mqtt.", ""),
        (COMMANDS, "statu", "command", "'statu': expected one of adopt, ", "Did you mean `status`?"),
    ],
)
def test_a_wrong_name_is_told_with_the_choices(
    registry: Registry[Any], name: object, path: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.find(name, path)
    assert str(caught.value).startswith(f"`{path}` is {message}")
    assert caught.value.hint == hint


def test_a_name_that_is_unknown_raises_a_key_error(widgets: Registry[Any]) -> None:
    with pytest.raises(KeyError):
        widgets["unknown"]
    assert widgets.get("unknown") is None


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("big_library", "Install what it needs with: pip install 'otherpackage[big]'"),
        ("big_library.part", "Install what it needs with: pip install 'otherpackage[big]'"),
        ("click", ""),
        ("unrelated", ""),
    ],
)
def test_a_package_that_is_missing_is_told_with_the_extra_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widgets: Registry[Any], module: str, hint: str
) -> None:
    package(tmp_path, monkeypatch, f"raise ModuleNotFoundError('it is not there', name={module!r})")
    with pytest.raises(ConfigError) as caught:
        widgets.find("first", "widget")
    assert str(caught.value) == "The widget 'first' cannot be imported: it is not there."
    assert caught.value.hint == hint


def test_a_plugin_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, monkeypatch, "class First: ...\n")
    widgets: Registry[Any] = Registry("widget", "edgedescent.widgets", base=Widget)
    with pytest.raises(
        ConfigError,
        match=r"The widget 'first' of otherpackage:First is <class 'otherpackage.First'>, which is no widget\.",
    ):
        widgets.find("first", "widget")
    with pytest.raises(ConfigError, match=r"The widget 'second' cannot be imported: .*Second"):
        widgets.find("second", "widget")


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        (COMMANDS, "replay"),
        (COMMANDS, "run"),
        (EXPORTERS, "onnx"),
        (LEARNERS, "MLPRegressor"),
        (LEARNERS, "RiverRegressor"),
        (LOSSES, "HuberLoss"),
        (OPTIMIZERS, "Adam"),
        (SCHEDULES, "Constant"),
        (TRANSPORTS, "mqtt"),
    ],
)
def test_every_kind_of_plugin_is_found_by_name(registry: Registry[Any], name: str) -> None:
    assert name in registry
    assert registry.find(name, "somewhere") is registry[name]


def test_listing_the_choices_imports_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text('device = "pump"\n[learner]\ntype = "LinearRegressor"\n[snapshots]\nexporter = "onx"\n')
    code = (
        "import sys\nfrom edgedescent.cli import main\ntry:\n    main()\nfinally:\n"
        "    print([n for n in ('river', 'onnx', 'onnxruntime', 'edgedescent_river') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--offline", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == os.EX_CONFIG
    assert done.stdout == "[]\n"
    assert "Did you mean `onnx`?" in done.stderr


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
@pytest.mark.parametrize("how", ["ModuleNotFoundError", "ImportError"])
def test_an_export_without_its_packages_is_told_in_one_line(tmp_path: Path, missing: str, how: str) -> None:
    """Not installed at all, or installed for another machine."""
    from support.state_folder import Run, a_config, payloads

    state = Run(a_config(tmp_path / "state"))
    state.take(payloads(20))
    state.store.close()
    path = device_file(tmp_path)
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise {how}("cannot load it", name=name)
sys.meta_path.insert(0, Missing())
from edgedescent.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "pip install 'edgedescent[onnx]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_writes_nothing_into_the_users_folders(tmp_path: Path) -> None:
    """onnxruntime would report its use by way of files there."""
    pytest.importorskip("onnxruntime")
    from support.state_folder import Run, a_config, payloads

    state = Run(a_config(tmp_path / "state"))
    state.take(payloads(20))
    state.store.close()
    home = tmp_path / "home"
    home.mkdir()
    path = device_file(tmp_path)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "edgedescent", "export", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
    assert run("snapshots", "list", path).output.count("\n") == 1
