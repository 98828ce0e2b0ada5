"""Containers and encodings: what is told apart, what is refused."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from ccg_pipeline.extracts import recognise
from ccg_pipeline.extracts.contract import ExtractError
from ccg_pipeline.extracts.source import Source


def source_of(tmp_path: Path, content: bytes) -> Source:
    path = tmp_path / "dropped"
    path.write_bytes(content)
    return Source(path, "dropped")


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_text_is_text_plain_packed_or_marked(tmp_path: Path) -> None:
    for content in (b"a,b\n1,2\n", gzip.compress(b"a,b\n1,2\n"), zipped(a=b"a,b\n1,2\n"), b"\xef\xbb\xbfa,b\n1,2\n"):
        source = source_of(tmp_path, content)
        assert source.is_text
        assert source.first_lines == [["a", "b"], ["1", "2"]]


def test_a_packed_workbook_is_a_workbook(tmp_path: Path, sample_raw: Path) -> None:
    workbook = next(iter(sample_raw.glob("cancer/*.xlsx"))).read_bytes()
    packed = zipped(**{"book.xlsx": workbook, "__MACOSX/._book.xlsx": b"x", "readme.txt": b"about"})
    for content in (packed, gzip.compress(workbook)):
        source = source_of(tmp_path, content)
        assert source.is_workbook
        assert recognise(source).name == "cancer"


def test_windows_text_is_decoded(tmp_path: Path) -> None:
    source = source_of(tmp_path, "name\nKing\u2019s Lynn\n".encode("cp1252"))
    assert source.first_lines == [["name"], ["King\u2019s Lynn"]]


def test_row_numbers_count_from_the_top_and_skip_nothing(tmp_path: Path) -> None:
    table = source_of(tmp_path, b"title\na,b\n1,2\n\n,\n3,4\n").table(1)
    assert table["source_row"].to_list() == [3, 6]
    table = source_of(tmp_path, b"a,b\r\n\r\n\r\n1,2\r\n").table(0)
    assert table["source_row"].to_list() == [4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  \n\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither text nor a workbook"),
        (b"a,b\n1,\x002\n", "neither text nor a workbook"),
        (gzip.compress(b"a,b\n1,\x002\n", mtime=0), "neither text nor a workbook"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "cannot be unpacked"),
        (gzip.compress("a,b\n".encode("utf-16"), mtime=0), "UTF-16"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (zipped(a=b"x", b=b"y"), "holds 2 files"),
        (zipped(**{"[Content_Types].xml": b"x", "word/document.xml": b"y"}), "no workbook"),
        (zipped(a=b"0" * 50_000_000), "bomb"),
        (gzip.compress(b"0" * 50_000_000, mtime=0), "bomb"),
        (b"PK\x03\x04 not really", "cannot be unpacked"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x01" * 600, "damaged"),
        (b"one,two,three\n1,2,3\n", "not recognised"),
    ],
)
def test_what_is_no_extract_is_refused_with_words(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ExtractError, match=words):
        recognise(source_of(tmp_path, content))


@pytest.mark.parametrize("body", [b"1,2\n3\n", b"1,2\n3,4,5\n", b'1,"2\n3,4\n'])
def test_rows_of_another_width_are_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(ExtractError):
        source_of(tmp_path, b"a,b\n" + body).table(0)
