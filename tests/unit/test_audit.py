"""What ``make audit`` makes of pip-audit's answer: an audit of nothing is no audit that was passed."""

from __future__ import annotations

import audit
import pytest

FINE = {"name": "polars", "version": "2.1.0", "vulns": []}
SKIPPED = {"name": "agate", "skip_reason": "Dependency not found and could not be audited: agate (1.9.1)"}
VULNERABLE = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([FINE], 0, "1 packages: 0 with known vulnerabilities, 0 not looked up"),
        ([FINE, VULNERABLE], 1, "jinja2 2.0: PYSEC-1, mended in 2.1"),
        ([SKIPPED, VULNERABLE], 1, "1 not looked up"),
        ([FINE, SKIPPED], 2, "not complete"),
        ([SKIPPED], 2, "could not be audited: agate"),
        ([], 2, "nothing was found"),
    ],
)
def test_an_audit_passes_only_when_every_package_was_looked_up(
    packages: list[dict], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.judge(packages) == code
    told = capsys.readouterr()
    assert words in told.out + told.err
