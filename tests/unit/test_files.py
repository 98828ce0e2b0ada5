from pathlib import Path

import pytest

from ccg_pipeline.landing.files import LandingError, cannot_be_data, landing_fingerprint, scan


@pytest.mark.parametrize(
    "name", ["README.md", ".gitkeep", ".hidden/a.csv", "~$book.xlsx", "a.csv.crdownload", "b.tmp", "ae/Thumbs.db"]
)
def test_what_cannot_be_data_is_ignored(name: str) -> None:
    assert cannot_be_data(Path(name))


def test_everything_else_is_a_file_to_account_for(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "1.csv").write_text("a")
    (tmp_path / "odd 'name'; --.bin").write_text("b")
    (tmp_path / "notes.md").write_text("c")
    files, ignored = scan(tmp_path)
    assert [f.file_name for f in files] == ["deep/er/1.csv", "odd 'name'; --.bin"]
    assert ignored == 1


def test_content_is_the_identity_and_a_rename_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("same")
    (tmp_path / "b.csv").write_text("same")
    files, _ = scan(tmp_path)
    assert files[0].extract_id == files[1].extract_id
    before = landing_fingerprint(files)
    (tmp_path / "b.csv").rename(tmp_path / "c.csv")
    assert landing_fingerprint(scan(tmp_path)[0]) != before


def test_a_landing_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="nowhere"):
        scan(tmp_path / "nowhere")


def test_names_that_are_no_text_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad\udcff.csv").write_text("a")
    (tmp_path / "memory").symlink_to("/proc/self/mem")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    files, ignored = scan(tmp_path)
    assert [f.file_name for f in files] == ["bad\\udcff.csv", "dangling", "memory"]
    assert ignored == 0
