"""What shows that a file is whole where nothing in it adds up, and workbooks that must not be opened."""

import struct
from pathlib import Path

import damage
import polars as pl
import pytest
from layouts import refusal_as, write_xls

from ccg_pipeline.extracts import limits
from ccg_pipeline.extracts.containers import prove_xls, proved_xlsx
from ccg_pipeline.extracts.contract import Column, ExtractError, goes_to_the_end, no_blanks, parents_to_the_end, typed
from ccg_pipeline.extracts.source import Source

CODE = Column("org_code", ("Org Code",))


def months(*codes: str) -> pl.DataFrame:
    """Rows of one month after the other, a letter an organisation."""
    return pl.DataFrame(
        [{"month": m, "kind": "p", "org_code": code} for m, letters in enumerate(codes) for code in letters]
    )


def objection(*codes: str) -> str | None:
    """Why months of these organisations are taken for cut off; None where they are not."""
    try:
        goes_to_the_end(months(*codes), "month", CODE, "the file", among=["kind"])
    except ExtractError as error:
        return str(error)
    return None


@pytest.mark.parametrize("codes", [("ABCDE", "ABCDE"), ("ABCDE", "ACDE"), ("ABCDE", "ABCD"), ("ABCDE",), ("AB", "ABX")])
def test_months_that_go_to_the_end(codes: tuple[str, ...]) -> None:
    assert objection(*codes) is None


@pytest.mark.parametrize("codes", [("ABCDE", "ABC"), ("ABCDE", "ABCDE", "A"), ("ABCDE", "X")])
def test_a_last_month_without_the_last_organisations_is_cut_off(codes: tuple[str, ...]) -> None:
    assert "are all missing" in (objection(*codes) or "")


def test_commissioners_of_a_region_whose_providers_are_missing() -> None:
    def rows(parents: str) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "provider_parent_code": [f"Q{p}" for p in parents],
                "commissioner_parent_code": ["QD", *[f"Q{p}" for p in parents[1:]]],
            }
        )

    parents_to_the_end(rows("ABBCD"), "the file")
    parents_to_the_end(rows("DCBA"), "the file")  # in no order: nothing can be said
    parents_to_the_end(rows("AB"), "the file")
    with pytest.raises(ExtractError, match="end with providers of QC, and there are commissioners of QD"):
        parents_to_the_end(rows("ABBC"), "the file")


@pytest.mark.parametrize("text", ["\uff11\uff12", "\u0663", "1\u00b2"])
def test_other_digits_are_no_count(text: str) -> None:
    frame = pl.DataFrame({"source_row": [7], "n": [text]})
    for kind in ("count", "decimal"):
        with pytest.raises(ExtractError, match="row 7, column 'N'"):
            typed(frame, [Column("n", ("N",), kind)], "the file")


def test_blanks_are_counted() -> None:
    frame = pl.DataFrame({"source_row": [7, 8], "n": [None, None]})
    with pytest.raises(ExtractError, match=r"row 7, column 'N': blank, expected a count in every row \(2 such cells"):
        no_blanks(frame, [Column("n", ("N",))], "the file", "a count")


def test_text_decoded_wrongly_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = "name\nKing\u2019s Lynn \u2013 caf\u00e9\n"
    path.write_bytes(text.encode().decode("cp1252").encode())
    assert Source(path, "a.csv").content.decode() == text
    path.write_text(text, encoding="utf-8")
    assert Source(path, "a.csv").content.decode() == text


def test_nul_bytes_in_a_cell(sample_raw: Path, tmp_path: Path) -> None:
    subject = damage.Subject(next(sample_raw.glob("cancer/MAY-2019-*")))
    sheet, table = next(iter(subject.tables.items()))
    table.grid[table.rows[0]][2] = "NHS\0CCG"
    cells = {**subject.sheets, sheet: table.grid}
    path = write_xls(tmp_path / "a.xls", {name: [[c or None for c in row] for row in g] for name, g in cells.items()})
    assert "NUL bytes" in refusal_as("cancer", path)


FAR = '<row r="{row}"><c r="{column}{row}"><v>1</v></c></row></sheetData>'


@pytest.mark.parametrize(("column", "row"), [("XFD", 1_000_000), ("B", 60_000_000)])
def test_a_cell_far_away(column: str, row: int) -> None:
    book = damage.workbook({"s": [["a", "b"], ["1", "2"]]})
    proved_xlsx(book)
    far = FAR.format(column=column, row=row).encode()
    with pytest.raises(ExtractError, match=f"reaches to row {row:,}"):
        proved_xlsx(damage.with_sheet(book, lambda sheet: sheet.replace(b"</sheetData>", far)))


def changed(content: bytes, record: tuple[int, int], offset: int, number: bytes) -> bytes:
    """An .xls with other bytes in the first record of a kind and length."""
    at = content.index(struct.pack("<HH", *record)) + offset
    return content[:at] + number + content[at + len(number) :]


def test_an_xls_that_no_memory_holds_or_that_never_ends(tmp_path: Path) -> None:
    content = write_xls(tmp_path / "a.xls", {"s": [["a", "b"], [1.5, 2.5]]}).read_bytes()
    prove_xls(content)
    text_cell, sheet_size = (0x00FD, 10), (0x0200, 14)
    with pytest.raises(ExtractError, match="a cell in column 32,769"):
        prove_xls(changed(content, text_cell, 6, struct.pack("<H", 32_768)))
    with pytest.raises(ExtractError, match="a sheet of"):
        prove_xls(changed(content, sheet_size, 8, struct.pack("<I", 1 << 31)))
    (table,) = struct.unpack_from("<I", content, 76)
    at = 512 * (table + 1)
    with pytest.raises(ExtractError, match="a chain of sectors is broken"):
        prove_xls(content[:at] + struct.pack("<I", 0) + content[at + 4 :])
    for cut in (100, 600, 1500, len(content) - 1500):
        with pytest.raises(ExtractError, match="damaged"):
            prove_xls(content[:cut])


@pytest.mark.parametrize("letter", ["x", "\u03b1"])
def test_texts_of_an_xls_are_counted_as_often_as_cells_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    """Long enough to run over several continuations of the record of texts, in one byte or two a character."""
    texts = [letter * (3_000 + number) for number in range(20)]
    content = write_xls(tmp_path / "a.xls", {"s": [texts, texts]}).read_bytes()
    monkeypatch.setattr(limits, "MOST_TEXT", 2 * sum(map(len, texts)))
    prove_xls(content)
    monkeypatch.setattr(limits, "MOST_TEXT", 2 * sum(map(len, texts)) - 1)
    with pytest.raises(ExtractError, match="refused as a bomb"):
        prove_xls(content)
