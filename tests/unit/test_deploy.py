"""The image, the compose file, the sample configuration and the command line have to agree with each other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from edgedescent import config
from edgedescent.cli import cli

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONFIG_PATH = "/etc/edgedescent/device.toml"
Stage = list[tuple[str, str]]


def stages() -> list[Stage]:
    """The Dockerfile's stages, each a list of instructions and their arguments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[Stage] = [[]]
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name:
            found[-1].append((name, rest.strip()))
    return found[1:]


def only(stage: Stage, name: str) -> str:
    (argument,) = [rest for instruction, rest in stage if instruction == name]
    return argument


@pytest.fixture(scope="module")
def final() -> Stage:
    return stages()[-1]


@pytest.fixture(scope="module")
def environment(final: Stage) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only(final, "ENV").split())


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    return compose()["edgedescent"]


def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    # What compose does with a variable that is not set.
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def targets(volumes: list[str]) -> dict[str, str]:
    return {volume.split(":")[1]: volume.split(":")[0] for volume in volumes}


def test_only_the_build_stage_has_a_compiler(final: Stage) -> None:
    build = stages()[0]
    assert any("apt-get install" in rest for _, rest in build)
    assert not any(word in rest for _, rest in final for word in ("apt-get", "pip", "gcc"))


def test_the_daemon_runs_as_a_user_without_rights_who_owns_the_volume(final: Stage) -> None:
    user, group = only(final, "USER").split(":")
    commands = only(final, "RUN")
    volume = only(final, "VOLUME")

    assert user.isdigit()
    assert int(user) > 0
    assert f"--uid {user} --gid {group}" in commands
    assert re.search(rf"install -d -o edgedescent -g edgedescent [^&]*{volume}\b", commands)


@pytest.mark.parametrize(("instruction", "expected"), [("CMD", "run"), ("HEALTHCHECK", "status")])
def test_the_commands_of_the_image_exist_and_read_the_mounted_file(
    final: Stage, instruction: str, expected: str
) -> None:
    # Only the exec form, which is JSON, makes the daemon itself the receiver of SIGTERM.
    program, name, path = json.loads(re.sub(r".*?(?=\[)", "", only(final, instruction), count=1))
    command = cli.get_command(click.Context(cli), name)

    assert (program, name, path) == ("edgedescent", expected, CONFIG_PATH)
    assert command is not None
    assert command.make_context(name, [path], resilient_parsing=False).params["config"] == CONFIG_PATH
    assert f"COPY deploy/device.toml {CONFIG_PATH}" in [" ".join(line) for line in final]


def test_the_sample_configuration_is_valid_and_keeps_its_state_in_the_volume(final: Stage) -> None:
    loaded = config.load(DEPLOY / "device.toml", {}, check_adapters=True)
    assert loaded.state.path == only(final, "VOLUME")


def test_the_commented_lines_of_the_sample_are_valid_too(tmp_path: Path) -> None:
    text = (DEPLOY / "device.toml").read_text(encoding="utf-8")
    path = tmp_path / "device.toml"
    path.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE), encoding="utf-8")
    assert config.load(path, {}).broker["password_env"] == "MQTT_PASSWORD"


def test_compose_overrides_the_sample_by_environment(service: dict[str, Any]) -> None:
    loaded = config.load(DEPLOY / "device.toml", service["environment"], check_adapters=True)
    assert loaded.broker["host"] in service["depends_on"]
    assert loaded.device == "device-1"


def test_compose_mounts_what_the_image_expects(
    final: Stage, environment: dict[str, str], service: dict[str, Any]
) -> None:
    mounted = targets(service["volumes"])
    assert set(mounted) == {CONFIG_PATH, only(final, "VOLUME")}
    assert (DEPLOY / mounted[CONFIG_PATH]).is_file()
    # With a read-only root, whatever else is written has to lie in memory.
    assert service["read_only"] is True
    assert environment["RUNTIME_DIRECTORY"] in service["tmpfs"]
    assert service["stop_grace_period"] == "20s"


def test_the_broker_keeps_a_long_queue_across_restarts() -> None:
    broker = compose()["mosquitto"]
    lines = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    port = str(config.load(DEPLOY / "device.toml", {}).broker["port"])

    assert settings["persistence"] == "true"
    assert settings["persistence_location"].rstrip("/") in targets(broker["volumes"])
    assert int(settings["max_queued_messages"]) > 1000
    assert settings["listener"] == port
    # Without passwords, the port is open to this host alone.
    assert settings["allow_anonymous"] == "true"
    assert broker["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_everything_that_is_copied_exists_and_reaches_the_builder() -> None:
    passed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for stage in stages():
        for name, rest in stage:
            if name == "COPY" and "--from" not in rest:
                for source in rest.split()[:-1]:
                    assert source.rstrip("/") in passed
                    assert (ROOT / source).exists()


@pytest.mark.parametrize("script", ["build-image.sh", "prune.sh"])
def test_the_scripts_are_valid_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)
