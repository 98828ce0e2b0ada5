"""Known vulnerabilities of the locked packages, as pip-audit finds them: ``make audit``.

pip-audit is installed into an environment of its own below the home folder, which is removed afterwards, and asks the
vulnerability database behind the package index that pip is configured with. Exit 0: every package was looked up and
none has a known vulnerability; 1: some have; 2: not every package could be looked up, which proves nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from ccg_pipeline.settings import PROJECT_ROOT, Settings

LOCK = PROJECT_ROOT / "requirements.lock"
PIP_AUDIT = "pip-audit>=2.10,<3"


def main() -> int:
    home = Settings.from_environment().home
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".audit-") as scratch:
        python = Path(scratch) / "venv" / "bin" / "python"
        venv.create(Path(scratch) / "venv", with_pip=True)
        installed = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT],
            capture_output=True,
            text=True,
        )
        if installed.returncode:
            return _nothing_known(f"pip-audit could not be installed:\n{installed.stderr.strip()}")
        audited = subprocess.run(
            [
                python,
                "-m",
                "pip_audit",
                "-r",
                LOCK,
                "--no-deps",
                "--disable-pip",
                "-f",
                "json",
                "--progress-spinner=off",
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": scratch, "XDG_CACHE_HOME": scratch},
        )
    try:
        packages = json.loads(audited.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _nothing_known(f"pip-audit gave no answer:\n{audited.stderr.strip()}")
    return judge(packages)


def judge(packages: list[dict]) -> int:
    """Print what was found of each package, in pip-audit's form; returns the exit code."""
    skipped = [p for p in packages if "skip_reason" in p or "vulns" not in p]
    vulnerable = [p for p in packages if p.get("vulns")]
    for package in vulnerable:
        for found in package["vulns"]:
            fixed = ", ".join(found.get("fix_versions") or []) or "no version yet"
            print(f"{package['name']} {package['version']}: {found['id']}, mended in {fixed}")
    print(f"{len(packages)} packages: {len(vulnerable)} with known vulnerabilities, {len(skipped)} not looked up")
    if vulnerable:
        return 1
    if skipped or not packages:
        reasons = sorted({p.get("skip_reason", "no answer") for p in skipped})[:3]
        return _nothing_known("; ".join(reasons) or f"nothing was found in {LOCK}")
    return 0


def _nothing_known(why: str) -> int:
    print(f"The audit is not complete and says nothing of the rest: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
