"""The flat extracts from 2020: one row an organisation, month, standard and breakdown, several months in a file.

A breakdown stands beside what it adds to. Rows of ALL CANCERS (in ALL MODALITIES, where there are modalities) are the
figure and their parts are proved to add to them; where a standard has no such row, its rows by cancer are the figure,
and its rows by modality, all cancers in each, are proved to add to the same. There is no total of England.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ccg_pipeline.extracts.cancer import shape
from ccg_pipeline.extracts.contract import (
    Column,
    Extract,
    ExtractError,
    PublishedLayout,
    UnknownLayoutError,
    adds_up,
    goes_to_the_end,
    have_all,
    nearest_text,
    no_blanks,
    no_repeats,
    normalise,
    typed,
)
from ccg_pipeline.extracts.headings import columns_of, pick
from ccg_pipeline.extracts.periods import parse_month
from ccg_pipeline.extracts.source import Source
from ccg_pipeline.extracts.spreadsheet import find_header, in_words, prove_last_line, read_delimited, read_table


@dataclass(frozen=True)
class Layout:
    """The group of its headings beside those that all flat extracts have, and the standards by their texts.

    ``before_combined`` gives, for the combined standards by part, the standard of old that a part was before October
    2023; such an extract calls the months before combined too.
    """

    name: str
    view: str
    group: str
    standards: Mapping[str, str]
    stages: tuple[str, ...]
    before_combined: Mapping[str, str] | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        return columns_of(shape.name, self.group, "flat")

    def heading(self, column: str) -> str | None:
        """The usual heading of a column; None where the layout has no such column."""
        return next((c.headings[0] for c in self.columns if c.name == column), None)

    @property
    def org(self) -> str:
        return str(self.heading("org_code"))

    @property
    def stage(self) -> str:
        return str(self.heading("stage"))

    @property
    def category(self) -> str | None:
        return self.heading("category")

    @property
    def modality(self) -> str | None:
        return self.heading("modality")


_COMBINED = {
    "28-day FDS": "28_day_diagnosis",
    "31-day Combined": "31_day_combined",
    "62-day Combined": "62_day_combined",
}
LAYOUTS = (
    Layout(
        name="cancer_flat_provider_2020_04_to_2023_09",
        view="provider",
        group="flat_provider_to_2023_09",
        stages=("Admitted", "Non-admitted"),
        standards={
            "2WW": "two_week_wait",
            "2WW Breast": "two_week_wait_breast",
            "28-day FDS": "28_day_diagnosis",
            "31 Days": "31_day_first",
            "31 Days Sub (Surgery)": "31_day_sub_surgery",
            "31 Days Sub (Drugs)": "31_day_sub_drug",
            "31 Days Sub (Radio)": "31_day_sub_radiotherapy",
            "62 Days": "62_day_gp",
            "62 Days (Screening)": "62_day_screening",
            "62 Days (Upgrade)": "62_day_upgrade",
        },
    ),
    Layout(
        name="cancer_flat_provider_from_2023_10",
        view="provider",
        group="flat_provider_from_2023_10",
        stages=(
            "First Treatment",
            "Subsequent Treatment",
            "Urgent Suspected Cancer",
            "Breast Symptomatic",
            "Screening",
            "Consultant Upgrade",
            "BREAST SYMPTOMATIC, CANCER NOT SUSPECTED",
            "NATIONAL SCREENING PROGRAMME",
        ),
        standards=_COMBINED,
    ),
    Layout(
        name="cancer_flat_sub_icb_from_2023_04",
        view="commissioner",
        group="flat_sub_icb",
        stages=(),
        standards=_COMBINED,
        # Two of the parts had no standard of their own.
        before_combined={
            "31-day (First)": "31_day_first",
            "31-day Sub (Surgery)": "31_day_sub_surgery",
            "31-day Sub (Anti-cancer drug regimen)": "31_day_sub_drug",
            "31-day Sub (Radiotherapy)": "31_day_sub_radiotherapy",
            "31-day Sub (Other)": "31_day_sub_other",
            "62-day (Urgent Suspected Cancer)": "62_day_gp",
            "62-day (Breast Symptomatic)": "62_day_breast_symptomatic",
            "62-day (Screening)": "62_day_screening",
            "62-day (Consultant Upgrade)": "62_day_upgrade",
        },
    ),
)
_MODALITIES = shape.headings("ALL MODALITIES", "Anti-cancer drug regimen", "Other", "Radiotherapy", "Surgery")
_MARKS = pick(columns_of(shape.name, "flat"), "standard_text", "patients_within", "patients_after")
layouts = tuple(
    PublishedLayout(
        layout.name,
        f"a table with {in_words(_MARKS)}, and {layout.org!r} beside {layout.stage!r}",
        layout.columns,
        None,
    )
    for layout in LAYOUTS
)
_MOST_SHEETS = 3  # the published ones have one; the sheets of larger workbooks are not opened in vain
_KEY = ["period_start", "standard", "org_code", "stage"]


def _where(source: Source) -> tuple[str | int, list[str]] | None:
    """The sheet, or the line of a text file, that heads the extract, and the headings there; None where none does."""
    if source.is_workbook:
        for sheet in source.sheet_names if len(source.sheet_names) <= _MOST_SHEETS else ():
            cells = source.sheet(sheet, rows=25)
            row = find_header(cells, _MARKS)
            if row is not None:
                return sheet, [c or "" for c in cells[row]]
        return None
    line = source.header_line(_MARKS)
    return None if line is None else (line, source.first_lines[line])


def _layout(found: list[str]) -> Layout:
    """The layout with the most of these headings."""
    return max(LAYOUTS, key=lambda layout: sum(have_all(found, [c]) for c in layout.columns))


def recognise(source: Source) -> float:
    """By the headings of its counts; which layout it is, is settled when it is read."""
    return 1.0 if _where(source) else 0.0


def read(source: Source) -> Extract:
    """All months and standards of the extract, every row of it, with those marked that make the figures."""
    head = _where(source)
    if head is None:
        raise ExtractError(f"no header row with {in_words(_MARKS)}. Fetch the file again.")
    place, found = head
    layout = _layout(found)
    if isinstance(place, str):
        others = [s for s in source.sheet_names if s != place and source.sheet(s, rows=25)]
        if others:
            raise UnknownLayoutError(
                f"sheet {others[0]!r} is not known beside {place!r}, expected one sheet with data. A new sheet is "
                "added in ccg_pipeline/extracts/cancer/flat.py."
            )
        where, frame = f"sheet {place!r}", read_table(source, place, _MARKS, layout.columns)
    else:
        prove_last_line(source)
        where, frame = "the file", read_delimited(source, place, layout.columns)
    frame = typed(frame, layout.columns, where)
    frame = _months(frame, where)
    frame = _named(frame, layout, where)
    shape.prove_rows(frame, layout.columns, where)
    breakdown = [c for c in ("category", "modality") if c in frame.columns]
    no_repeats(frame, [*_KEY, "standard_text", *breakdown], where)
    _complete(frame, where)
    if not layout.category:  # one row an organisation and part: nothing adds up to another
        code = next(c for c in layout.columns if c.name == "org_code")
        goes_to_the_end(frame, "period_start", code, where, among=["standard_text", "stage"])
    rows = _counted(frame, layout, where)
    return shape.extract(
        rows.with_columns(pl.lit(layout.view).alias("view"), pl.lit(False).alias("is_total")), layout.name
    )


def _unknown(frame: pl.DataFrame, column: str, known: list[str], where: str, heading: str) -> None:
    """Raises `ExtractError` for the first row whose text no layout knows."""
    text = pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ")
    off = frame.filter(pl.col(column).is_not_null() & ~text.is_in(list(shape.headings(*known))))
    if off.height:
        raise UnknownLayoutError(
            f"{where} row {off['source_row'][0]}, column {heading!r}: {off[column][0]!r} is not known, expected one of "
            f"{'; '.join(known)}{nearest_text(off[column][0], known)} ({off.height} such rows). Check that the file is "
            "as published; a new one is added in ccg_pipeline/extracts/cancer/flat.py."
        )


def _months(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """``period_start`` from PERIOD; YEAR and MONTH name the same month."""
    months = frame.select("period", "year", "month").unique()
    months = months.with_columns(
        pl.Series("period_start", [parse_month(p) for p in months["period"]], pl.Date),
        pl.Series("named", [parse_month(f"{r['month']} {r['year']}") for r in months.iter_rows(named=True)], pl.Date),
    )
    off = months.filter(pl.col("period_start").is_null() | pl.col("period_start").ne_missing(pl.col("named")))
    if off.height:
        first = off.row(0, named=True)
        row = frame.filter(
            pl.all_horizontal(pl.col(c).eq_missing(pl.lit(first[c])) for c in ("period", "year", "month"))
        )
        raise ExtractError(
            f"{where} row {row['source_row'][0]}: PERIOD {first['period']!r}, YEAR {first['year']!r} and MONTH "
            f"{first['month']!r} do not name one month. Fetch the file again."
        )
    return frame.join(months.drop("named"), on=["period", "year", "month"], nulls_equal=True, maintain_order="left")


def _named(frame: pl.DataFrame, layout: Layout, where: str) -> pl.DataFrame:
    """``standard`` in our words, and every text of a breakdown a known one."""
    no_blanks(frame, [c for c in layout.columns if c.name in ("standard_text", "org_code", "category")], where)
    shapeless = frame.filter(~pl.col("org_code").str.contains("^([A-Z0-9]{3}|[A-Z0-9]{5}|UNKNOWN)$"))
    if shapeless.height:
        raise ExtractError(
            f"{where} row {shapeless['source_row'][0]}, column {layout.org!r}: found {shapeless['org_code'][0]!r}, "
            "expected an ODS code of three or five characters, or UNKNOWN. Rows of totals are not known in this layout."
        )
    stages = [*layout.stages, *(layout.before_combined or ())]
    _unknown(frame, "standard_text", list(layout.standards), where, "STANDARD")
    _unknown(frame, "stage", stages, where, layout.stage)
    if layout.modality:
        _unknown(frame, "modality", sorted(_MODALITIES), where, layout.modality)
    if layout.category:
        group = frame.filter(
            pl.col("category").str.contains(r"(?i)^(all|total)\b") & (_text("category") != "all cancers")
        )
        if group.height:
            raise UnknownLayoutError(
                f"{where} row {group['source_row'][0]}, column {layout.category!r}: {group['category'][0]!r} is a "
                "total that is not known, expected 'ALL CANCERS'. A new one is added in "
                "ccg_pipeline/extracts/cancer/flat.py."
            )
    named = _text("standard_text").replace_strict({normalise(k): v for k, v in layout.standards.items()})
    if layout.before_combined:
        old = _text("stage").replace_strict(
            {normalise(k): v for k, v in layout.before_combined.items()}, default=None, return_dtype=pl.String
        )
        wrong = frame.filter(
            pl.col("stage").is_not_null() & (_text("stage").str.head(6) != _text("standard_text").str.head(6))
        )
        partless = frame.filter(pl.col("stage").is_null() & _text("standard_text").str.ends_with("combined"))
        for off in (wrong, partless):
            if off.height:
                raise ExtractError(
                    f"{where} row {off['source_row'][0]}: {layout.stage} {off['stage'][0]!r} under STANDARD "
                    f"{off['standard_text'][0]!r}, expected a part of that standard. Fetch the file again."
                )
        named = pl.when(pl.col("period_start") < shape.COMBINED_FROM).then(pl.coalesce(old, named)).otherwise(named)
    return frame.with_columns(named.alias("standard"))


def _text(column: str) -> pl.Expr:
    """A text as it is compared."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ")


def _complete(frame: pl.DataFrame, where: str) -> None:
    """Every month has every standard of the file: a month that lacks one was cut off."""
    texts = frame["standard_text"].n_unique()
    short = frame.group_by("period_start").agg(pl.col("standard_text").unique()).sort("period_start")
    for month, found in short.iter_rows():
        if len(found) < texts:
            absent = sorted(set(frame["standard_text"].to_list()) - set(found))
            raise ExtractError(
                f"{where}: no rows of {', '.join(absent)} in {month:%B %Y}, and other months have them. Fetch the file "
                "again."
            )


def _counted(frame: pl.DataFrame, layout: Layout, where: str) -> pl.DataFrame:
    """``is_counted``, with the proof that each breakdown adds to the figure."""
    if not layout.category:
        return frame.with_columns(pl.lit(True).alias("is_counted"))
    all_cancers = _text("category") == "all cancers"
    modality = _text("modality") if layout.modality else pl.lit(None, pl.String)
    all_modalities = modality.is_null() | (modality == "all modalities")
    frame = frame.with_columns(
        pl.when(all_cancers & all_modalities)
        .then(pl.lit("whole"))
        .when(all_modalities)
        .then(pl.lit("by cancer"))
        .when(all_cancers)
        .then(pl.lit("by modality"))
        .otherwise(pl.lit("by both"))
        .alias("split")
    )
    counts = [c for c in layout.columns if c.name in shape.COUNTS]
    counted = []
    for (month, standard), group in frame.group_by("period_start", "standard", maintain_order=True):
        splits = group.partition_by("split", as_dict=True)
        found = {k[0]: v for k, v in splits.items()}
        figure = "whole" if "whole" in found else "by cancer"
        if figure not in found or "by both" in found:
            first = found.get("by both", group)
            raise UnknownLayoutError(
                f"{where} row {first['source_row'][0]}: {standard} of {month:%B %Y} has rows "
                f"{', '.join(sorted(found))}, expected ALL CANCERS or rows by cancer, in ALL MODALITIES. A "
                "new breakdown is added in ccg_pipeline/extracts/cancer/flat.py."
            )
        whole = found.pop(figure)
        totals = whole.group_by(_KEY, maintain_order=True).agg(pl.col(shape.COUNTS).sum(), pl.col("source_row").first())
        for split, parts in found.items():
            adds_up(parts, totals, _KEY, counts, where, f"the figure {figure} (beside rows {split})")
        counted.append(whole["source_row"])
    rows = pl.concat(counted).implode()
    return frame.with_columns(pl.col("source_row").is_in(rows).alias("is_counted")).drop("split")
