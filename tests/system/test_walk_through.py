"""The set-up in docs/operating.md, command by command, in a root folder of its own."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedescent import config
from edgedescent.state import codec
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from edgedescent_sims.broker.process import find_mosquitto
from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("/etc/", "/opt/", "/root/", "/var/", "/usr/local/")
UNIT = ROOT / "deploy" / "edgedescent@.service"

# Stands for the commands that would change this machine. systemctl starts what the unit file says, as it says it.
STUB = textwrap.dedent("""\
    #!{python}
    import os, shutil, signal, socket, subprocess, sys, time
    from pathlib import Path

    name, words = Path(sys.argv[0]).name, sys.argv[1:]
    root = Path({root!r})

    def start(what, command, environment):
        with (root / f"{{what}}.log").open("ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, env={{**os.environ, **environment}}, cwd="/")
        (root / f"{{what}}.pid").write_text(str(child.pid))

    def stop(what):
        pid = root / f"{{what}}.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGTERM)
            until = time.monotonic() + 120
            while Path(f"/proc/{{pid.read_text()}}").exists() and time.monotonic() < until:
                state = Path(f"/proc/{{pid.read_text()}}/stat").read_text().rsplit(") ", 1)[1][0]
                if state == "Z":
                    break
                time.sleep(0.02)
            pid.unlink()

    def running(pattern):
        return [path.stem for path in root.glob(f"{{pattern}}.pid")]

    def unit(device):
        settings, environment = {{}}, {{}}
        for line in (root / "etc/systemd/system/edgedescent@.service").read_text().splitlines():
            key, _, value = line.replace("%i", device).replace("%S", str(root / "var/lib")).partition("=")
            settings[key] = value
            if key == "Environment":
                environment.update(pair.split("=", 1) for pair in value.split())
        credentials, runtime = root / "run/credentials" / device, root / "run" / settings["RuntimeDirectory"]
        for folder in (credentials, runtime, root / "var/lib" / settings["StateDirectory"]):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret, _, source = settings["LoadCredential"].partition(":")
        shutil.copyfile(source, credentials / secret)
        environment.update(CREDENTIALS_DIRECTORY=str(credentials), RUNTIME_DIRECTORY=str(runtime))
        environment.update(NOTIFY_SOCKET=str(root / device), WATCHDOG_USEC=settings["WatchdogSec"] + "000000")
        return settings["ExecStart"].split(), environment

    def start_service(device):
        (root / device).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(root / device))
            notify.settimeout(120)
            start(f"edgedescent@{{device}}", *unit(device))
            # Type=notify: the command returns when the service says that it is ready.
            while notify.recv(4096) != b"READY=1":
                pass

    if name == "python3" and words[:2] == ["-m", "venv"]:
        folder = Path(words[2]) / "bin"
        folder.mkdir(parents=True)
        (folder / "edgedescent").symlink_to({edgedescent!r})
        (folder / "pip").symlink_to(sys.argv[0])
    elif name == "systemctl" and words == ["reload", "mosquitto"]:
        os.kill(int((root / "mosquitto.pid").read_text()), signal.SIGHUP)
    elif name == "systemctl" and words == ["restart", "mosquitto"]:
        conf = root / "etc/mosquitto/mosquitto.conf"
        start("mosquitto", [{mosquitto!r}, "-c", str(conf)], {{}})
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", {port})) == 0:
                    break
            time.sleep(0.02)
    elif name == "systemctl" and ("start" in words or "enable" in words):
        start_service(words[-1].partition("@")[2])
    elif name == "systemctl" and ("stop" in words or "disable" in words):
        stop(words[-1])
    elif name == "systemctl" and "restart" in words:
        for service in running(words[-1]):
            stop(service)
            start_service(service.partition("@")[2])
    elif name == "systemctl" and words != ["daemon-reload"]:
        sys.exit(f"Nothing stands for systemctl {{words}}.")
    """)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    for folder in ("etc/mosquitto/certs", "etc/mosquitto/conf.d", "etc/systemd/system", "root", "var/lib/edgedescent"):
        (root / folder).mkdir(parents=True)
    for folder in ("usr/local/bin", "var/backups", "opt"):
        (root / folder).mkdir(parents=True)
    yield root
    for pid in root.glob("*.pid"):
        os.kill(int(pid.read_text()), signal.SIGKILL)


def the_commands() -> str:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    found = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 11, "the steps of the set-up"
    return "\n".join(found)


def test_the_set_up_works_as_it_is_written(sandbox: Path, tmp_path: Path) -> None:
    programs = [find_mosquitto(), shutil.which("mosquitto_passwd"), shutil.which("openssl")]
    if not all(programs) or os.geteuid() != 0:
        pytest.skip("mosquitto, mosquitto_passwd or openssl is not installed, or this is not root")
    with socket.create_server(("127.0.0.1", 0)) as probe, socket.create_server(("127.0.0.1", 0)) as other:
        port, metrics_port = probe.getsockname()[1], other.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        second_port = probe.getsockname()[1]
    stub = STUB.format(
        python=sys.executable,
        root=str(sandbox),
        edgedescent=str(Path(sys.executable).parent / "edgedescent"),
        mosquitto=programs[0],
        port=port,
    )
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("apt-get", "useradd", "chown", "systemctl", "systemd-analyze", "python3"):
        (stubs / name).write_text(stub)
        (stubs / name).chmod(0o755)
    (sandbox / "etc/mosquitto/mosquitto.conf").write_text(
        f"user root\npersistence true\npersistence_location {sandbox}/\ninclude_dir {sandbox}/etc/mosquitto/conf.d\n"
    )
    work = tmp_path / "work"
    shutil.copytree(ROOT / "deploy", work / "deploy")
    numbers = random.Random(7)
    rows = [f"{numbers.gauss(4, 1):.3f},{numbers.gauss(20, 5):.2f},{numbers.gauss(3, 1):.3f}" for _ in range(300)]
    (work / "readings.csv").write_text("\n".join(["pressure,temp,flow", *rows]) + "\n")

    def moved(text: str) -> str:
        for folder in FOLDERS:
            text = re.sub(rf"(?<![\w./]){re.escape(folder)}", f"{sandbox}{folder}", text)
        text = text.replace("8883", str(port)).replace("9464", str(metrics_port)).replace("9465", str(second_port))
        return text.replace("@localhost", f"@localhost:{port}").replace(" -o edgedescent -g edgedescent", "")

    for path in (work / "deploy").rglob("*"):
        if path.name in ("edgedescent@.service", "edgedescent.conf"):
            path.write_text(moved(path.read_text()))
    commands = moved(the_commands()).replace('host = "localhost"', f'host = "localhost"\nport = {port}')
    # A person types; the script gives the daemon the time to report, to learn what was sent, and to commit it. The
    # report is looked at, because `edgedescent status` would start Python each time.
    report = f"{sandbox}/run/edgedescent/pump-7/status.json"
    waiting = "for i in $(seq 1200); do grep -q '{1}' {0} && break; sleep 0.1; done\n"
    before, replay, after = commands.partition("edgedescent replay")
    commands = (
        before
        + replay
        + after.replace(
            "edgedescent status",
            waiting.format(report, '"events_learned": 300')
            + waiting.format(report, '"messages_uncommitted": 0[,}]')
            + "edgedescent status",
        )
    )
    commands = commands.replace("\nmv ", f"\ncp -r {sandbox}/var/lib/edgedescent/pump-7 {work}/stopped\nmv ")
    path = f"{stubs}:{sandbox}/usr/local/bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "EDGEDESCENT_METRICS__INTERVAL_S": "0.2"}
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    logs = [file.read_text() for file in sandbox.glob("*.log")]
    print(done.stdout, done.stderr)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"

    # What was set up is what the page promises.
    assert "error " not in done.stdout
    assert "publishing: edgedescent/pump-7/status is allowed" in done.stdout
    assert "tls: TLSv1.3" in done.stdout
    assert "300 events" in done.stdout
    loaded = config.load(sandbox / "etc/edgedescent/pump-7.toml", {"EDGEDESCENT_METRICS__INTERVAL_S": "0.2"})
    status = eventually(
        lambda: found if (found := read_json(sandbox / "run/edgedescent/pump-7/status.json")) else None, "the status"
    )
    assert (status["events_learned"], status["connected"]) == (300, True)
    # The other device was a whole one, and nothing of it is left.
    assert "publishing: edgedescent/pump-8/status is allowed" in done.stdout
    assert "'pump-8'" in (sandbox / "edgedescent@pump-8.log").read_text()
    users = [line.partition(":")[0] for line in (sandbox / "etc/mosquitto/passwords").read_text().splitlines()]
    assert users == ["pump-7", "sensors", "dashboard"]
    assert [path for part in ("etc", "root", "var") for path in (sandbox / part).rglob("*pump-8*")] == []
    assert not (sandbox / "edgedescent@pump-8.pid").exists()
    # The restart of the upgrade was one.
    assert (sandbox / "edgedescent@pump-7.log").read_text().count("with everything saved") == 2
    secret = (sandbox / "etc/edgedescent/secrets/pump-7/mqtt_password").read_text().strip()
    assert len(secret) == 48
    assert secret not in done.stdout + done.stderr + "".join(logs)
    assert secret not in (sandbox / "etc/mosquitto/passwords").read_text()

    # The restored state is the one that was saved, bit for bit.
    def learned(folder: Path) -> bytes:
        store = Store(folder, read_only=True)
        try:
            engine = recover(loaded, store)
            return codec.encode(engine.learner.state_dict())
        finally:
            store.close()

    assert learned(sandbox / "var/lib/edgedescent/pump-7") == learned(work / "stopped")


def read_json(path: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return found if found.get("connected") else {}


# --- The unit file ----------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    path = tmp_path / "edgedescent@pump-7.service"
    path.write_text(UNIT.read_text().replace("/opt/edgedescent/bin/edgedescent", "/bin/true"))
    return path


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "edgedescent" in line]) == (0, [])


def test_the_unit_may_do_little(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot look at a file")
    # 20 is 2.0 on the scale from 0, safe, to 10; what remains is the network, which it is for.
    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_says_what_was_promised() -> None:
    lines = UNIT.read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    expected = {
        "Type": "notify",
        "NotifyAccess": "main",
        "User": "edgedescent",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "Restart": "always",
        "RestartPreventExitStatus": str(os.EX_CONFIG),
        "StateDirectoryMode": "0700",
    }
    assert {name: settings[name] for name in expected} == expected
    assert {"WatchdogSec", "MemoryMax", "SystemCallFilter", "RestrictAddressFamilies", "LoadCredential"} <= set(
        settings
    )
    # `systemd-analyze verify` looks up manuals, and fails where there is no program for them.
    assert "Documentation" not in settings
    # The loop waits a quarter of a second at most, and a stop takes up to ten.
    assert int(settings["WatchdogSec"]) >= 30
    assert int(settings["TimeoutStopSec"]) > 10
