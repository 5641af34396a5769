"""A certificate for 127.0.0.1, made for one run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from claude_telemetry_collector.receive import Tls


def certificate_in(folder: Path) -> Tls:
    """Skips the test where there is no openssl to make one with."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    made = Tls(certificate=folder / "cert.pem", key=folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=collector"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return made
