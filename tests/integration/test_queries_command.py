"""``ccg queries`` and the line of the summary, on the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccg_pipeline import cli


def test_questions_are_shown_by_organisation_and_severity(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["queries", "--org", "RWG", "--home", str(sample_home)]) == 0
    told = capsys.readouterr().out
    assert "days both are responsible for: about 183 from November 2018 on, about 12 before." in told
    assert cli.run(["queries", "--severity", "high", "--format", "json", "--home", str(sample_home)]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert cli.run(["queries", "--org", "NOBODY", "--home", str(sample_home)]) == 2
    assert cli.run(["status", "--home", str(sample_home)]) == 0
    assert "Questions to the analyst: " in capsys.readouterr().out
