"""Certificates made by openssl for tests of TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def openssl(*arguments: str) -> None:
    """Run openssl; skips the test where there is none."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    subprocess.run([program, *arguments], check=True, capture_output=True)


def make_authority(folder: Path) -> Path:
    """A certificate authority of the test's own, with `cert.pem` and `key.pem` in its folder."""
    folder.mkdir()
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={folder.name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    )
    return folder


def make_certificate(folder: Path, authority: Path, names: str, days: int = 2) -> Path:
    """A certificate for `names`, such as ``DNS:localhost``, signed by an authority; expired if `days` are negative."""
    folder.mkdir()
    openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={folder.name}"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "request.pem")),
    )
    (folder / "extensions").write_text(f"subjectAltName={names}\n")
    openssl(
        *(
            "x509",
            "-req",
            "-in",
            str(folder / "request.pem"),
            "-days",
            str(days),
            "-extfile",
            str(folder / "extensions"),
        ),
        *("-CA", str(authority / "cert.pem"), "-CAkey", str(authority / "key.pem"), "-set_serial", "7"),
        *("-out", str(folder / "cert.pem")),
    )
    return folder
