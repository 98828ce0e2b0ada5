"""The published files under their own names and under none, in whole: the marts are the same."""

from __future__ import annotations

from pathlib import Path

import contents
import kit
import pytest
from layouts import SHARED, renamed

pytestmark = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason=f"the published files ({SHARED}) are not here")


def test_the_marts_of_published_files_do_not_depend_on_their_names(tmp_path: Path) -> None:
    numbered = renamed(SHARED / "data", tmp_path / "numbered")
    raws = {"named": SHARED / "data", "numbered": numbered}
    ended = kit.each(raws, lambda name: kit.night(raws[name], tmp_path / name, kit.ROOT))
    assert [night.code for night in ended] == [0, 0], [night.said for night in ended]
    marts = [contents.of(kit.published(tmp_path / name)) for name in raws]
    print(f"\nPublished files, named and numbered: {len(marts[0])} marts compared")
    assert contents.differences(*marts) == []
