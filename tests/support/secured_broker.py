"""A mosquitto with passwords, access rules and TLS."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from edgedescent_sims.broker.process import find_mosquitto
from support.waiting import eventually


class SecuredBroker:
    """mosquitto with a configuration of the test's own; use it in a `with` block.

    Args:
        folder: Folder for its files.
        users: Passwords by user name; None lets everyone in.
        rules: Access rules.
        certificate: Folder of certificate and key; None is plain TCP.
        clients: Folder of the authority that must have signed the clients' certificates; None asks for none.
        options: Further lines of its configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        rules: str = "",
        certificate: Path | None = None,
        clients: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        program = find_mosquitto()
        if program is None:
            pytest.skip("mosquitto is not installed")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(users is None).lower()}"]
        lines += options
        if os.geteuid() == 0:
            lines.append("user root")
        if users is not None:
            self.set_users(users)
            lines.append(f"password_file {folder / 'passwords'}")
        if rules:
            (folder / "rules").write_text(rules)
            lines.append(f"acl_file {folder / 'rules'}")
        if certificate is not None:
            lines += [f"certfile {certificate / 'cert.pem'}", f"keyfile {certificate / 'key.pem'}"]
        if clients is not None:
            lines += [f"cafile {clients / 'cert.pem'}", "require_certificate true"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def set_users(self, users: dict[str, str]) -> None:
        """Change the users; takes effect at the next start."""
        path = self._folder / "passwords"
        path.write_text("".join(f"{name}:{_hashed(password)}\n" for name, password in users.items()))
        path.chmod(0o600)

    def __enter__(self) -> Self:
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        eventually(self._answers, "mosquitto")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def restart(self) -> None:
        """Restart it, which reads its files again."""
        self.__exit__(None, None, None)
        self.__enter__()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _hashed(password: str) -> str:
    """Hash of a password as mosquitto_passwd writes it."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
