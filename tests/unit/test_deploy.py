"""What is in ``deploy/``, read by the tools that will read it: systemd's own analysis, and podman-compose."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ccg_pipeline.settings import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# systemd's own measure of what a service could do if it were taken over, from 0 to 100.
EXPOSED_AT_MOST = "15"


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with the paths of this installation in place of those of a server."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    copies = []
    for unit in UNITS:
        text = unit.read_text().replace("/opt/ccg/.venv/bin", str(Path(sys.executable).parent))
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(text.replace("/opt/ccg", str(PROJECT_ROOT)))
    for example in (DEPLOY / "systemd").glob("*.service.d/*.conf.example"):
        added = tmp_path / example.parent.name / example.stem
        added.parent.mkdir()
        shutil.copyfile(example, added)
    return copies


def test_systemd_takes_the_units_as_they_are(units: list[Path]) -> None:
    assert len(units) == 2
    done = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_finds_little_exposed(units: list[Path]) -> None:
    for unit in units:
        command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_as_a_user_of_its_own_on_loopback_alone(unit: Path) -> None:
    options = dict(line.split("=", 1) for line in unit.read_text().splitlines() if re.match(r"\w+=", line))
    assert options["User"] == "ccg"
    assert (options["ProtectSystem"], options["IPAddressDeny"]) == ("strict", "any")
    assert options["IPAddressAllow"] == "localhost"
    assert options["Restart"] == "on-failure"
    command = options["ExecStart"]
    assert "--host 127.0.0.1" in command if "webserver" in command else command.endswith("ccg serve daemon")


def compose(tmp_path: Path, *files: str) -> dict[str, Any]:
    """The services as podman-compose would run them. It only asks podman for its version, and gets one."""
    pytest.importorskip("podman_compose")
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho podman version 4.9.4\n")
    podman.chmod(0o755)
    secret = tmp_path / "secret"
    secret.touch()
    done = subprocess.run(
        [sys.executable, "-m", "podman_compose", *(a for f in files for a in ("-f", f)), "config"],
        cwd=DEPLOY,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CCG_RAW_FOLDER": "/srv/raw",
            "CCG_POSTGRES_PASSWORD_FILE": str(secret),
            "CCG_PGPASS_FILE": str(secret),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def test_compose_gives_containers_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    services = compose(tmp_path, "compose.yaml")["services"]
    assert set(services) == {"daemon", "webserver"}
    for service in services.values():
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001:10001", True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert [v for v in service["volumes"] if not v.endswith(":ro")] == ["home:/var/lib/ccg/home"]
    assert services["daemon"]["network_mode"] == "none" and "ports" not in services["daemon"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_compose_with_postgres_keeps_the_password_out_of_the_environment(tmp_path: Path) -> None:
    services = compose(tmp_path, "compose.yaml", "compose.postgres.yaml")["services"]
    assert "ports" not in services["postgres"]
    for name in ("daemon", "webserver"):
        assert not services[name].get("network_mode")
        assert services[name]["environment"]["CCG_DAGSTER_POSTGRES"] == "postgresql+psycopg2://ccg@postgres:5432/ccg"
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_the_image_runs_as_nobody_in_particular_and_installs_the_lock() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert lines.index("USER 10001:10001") > max(n for n, line in enumerate(lines) if line.startswith("RUN"))
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    assert lines[0] == "ARG BASE=python:3.11.14-slim-bookworm"
    assert not re.search(r"https?://|index-url|trusted-host", "\n".join(lines))
    # Of what a night fingerprints, all is there.
    from ccg_pipeline.nights import _PROJECT_PARTS

    copied = " ".join(line for line in lines if line.startswith("COPY") and "--from" not in line)
    allowed = set((PROJECT_ROOT / ".dockerignore").read_text().split()) | {"./", "COPY"}
    assert [name for name in copied.split() if not {name, f"!{name}"} & allowed] == []
    assert [part for part in (*_PROJECT_PARTS, "workspace.yaml", "pyproject.toml") if part not in copied] == []
