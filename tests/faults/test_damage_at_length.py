"""Spoilt copies of the published files, many times as many as in `make test`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from layouts import SHARED

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
import test_damage as quick

pytestmark = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason=f"the published files ({SHARED}) are not here")


def test_spoilt_copies_of_the_published_files_at_length(tmp_path: Path) -> None:
    outcomes = quick.spoilt(quick.published_plan(SHARED / "data", factor=4), tmp_path)
    print("\n" + quick.table(outcomes, "Published files"))
    quick.held(outcomes)
    assert len(outcomes) > 4_000
