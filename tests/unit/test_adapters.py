"""How adapters are found: by name, importing nothing but the one that is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from edgedescent.adapters import GROUP, load_adapter
from edgedescent.errors import ConfigError
from support.command_line import device_file, run


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("onx", "snapshots.exporter", "`snapshots.exporter` is 'onx': expected one of onnx."),
        ("mqtt", "snapshots.exporter", "`snapshots.exporter` is 'mqtt': expected one of onnx."),
        ("river", "snapshots.exporter", "`snapshots.exporter` is 'river': expected one of onnx."),
        ("onnx", "transport", "`transport` is 'onnx': expected one of mqtt."),
    ],
)
def test_a_wrong_name_is_told_with_the_choices(name: str, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_adapter(name, path)
    assert str(caught.value) == message


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


def test_every_entry_point_says_its_kind() -> None:
    assert {point.name for point in entry_points(group=GROUP)} >= {"transport.mqtt", "exporter.onnx", "learners.river"}


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
    assert run("snapshots", path).output.count("\n") == 1
