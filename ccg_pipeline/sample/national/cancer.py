"""Cancer waiting times: commissioner workbooks by CCG to March 2020, then flat extracts as csv.

Of providers from April 2020, under the ten standards of old to September 2023 and the three combined ones after; of
sub-ICB locations from April 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ccg_pipeline.sample import cancer as workbooks
from ccg_pipeline.sample.files import write_plain
from ccg_pipeline.sample.national.country import Country, growth
from ccg_pipeline.sample.national.tables import csv_bytes, text, year_text

_WORKBOOKS_TO = date(2020, 3, 1)
_COMBINED_FROM = date(2023, 10, 1)
_SUB_ICBS_FROM = date(2023, 4, 1)
_DIAGNOSIS_FROM = date(2021, 4, 1)

_SUSPECTED = [
    *(f"Suspected {kind} cancer" for kind in ("breast", "lung", "lower gastrointestinal", "upper gastrointestinal")),
    *(f"Suspected {kind} cancer" for kind in ("skin", "gynaecological", "head & neck", "children's", "testicular")),
    "Suspected haematological malignancies (excluding acute leukaemia)",
    "Suspected urological malignancies (excluding testicular)",
    "Suspected brain/central nervous system tumours",
    "Suspected sarcoma",
    "Suspected other cancer",
]
_BREAST = ["Exhibited (non-cancer) breast symptoms - cancer not initially suspected"]
_TREATED = ["Breast", "Lung", "Lower Gastrointestinal", "Skin", "Urological (Excluding Testicular)", "Other"]
_ALL = "ALL CANCERS"
_MODALITIES = ["Anti-cancer drug regimen", "Other", "Radiotherapy", "Surgery"]
_ALL_MODALITIES = "ALL MODALITIES"


@dataclass(frozen=True)
class _Line:
    """A standard at a stage: patients of a month in all of England, the part of them within, and the cancers.

    ``has_whole``: a row of all cancers stands beside those of each.
    """

    standard: str
    stage: str | None
    patients: int
    within: float
    cancers: list[str]
    has_whole: bool = False


_OF_OLD = (
    _Line("2WW", None, 200_000, 0.85, _SUSPECTED),
    _Line("2WW Breast", None, 12_000, 0.75, _BREAST),
    _Line("28-day FDS", None, 220_000, 0.72, _SUSPECTED),
    *(
        _Line(standard, stage, patients, within, cancers, has_whole)
        for standard, stages, within, cancers, has_whole in (
            ("31 Days", (16_000, 9_500), 0.94, _TREATED, True),
            ("31 Days Sub (Surgery)", (2_100, 120), 0.86, ["Surgery"], False),
            ("31 Days Sub (Drugs)", (2_400, 1_600), 0.99, ["Anti-cancer drug regimen"], False),
            ("31 Days Sub (Radio)", (650, 3_200), 0.95, ["Radiotherapy"], False),
            ("62 Days", (8_500, 5_400), 0.71, _TREATED, True),
            ("62 Days (Screening)", (1_000, 110), 0.73, [], True),
            ("62 Days (Upgrade)", (2_100, 1_650), 0.78, [], True),
        )
        for stage, patients in zip(("Admitted", "Non-admitted"), stages, strict=True)
    ),
)
_COMBINED = (
    _Line("28-day FDS", "BREAST SYMPTOMATIC, CANCER NOT SUSPECTED", 10_000, 0.87, _BREAST),
    _Line("28-day FDS", "NATIONAL SCREENING PROGRAMME", 10_400, 0.7, ["Breast", "Lower Gastrointestinal"]),
    _Line("28-day FDS", "URGENT SUSPECTED CANCER", 250_000, 0.73, _SUSPECTED),
    _Line("31-day Combined", "First Treatment", 28_900, 0.9, _TREATED),
    _Line("31-day Combined", "Subsequent Treatment", 23_500, 0.91, _TREATED),
    _Line("62-day Combined", "Breast Symptomatic", 120, 0.8, ["Breast"]),
    _Line("62-day Combined", "Consultant Upgrade", 6_500, 0.73, _TREATED),
    _Line("62-day Combined", "Screening", 1_700, 0.63, ["Breast", "Lower Gastrointestinal", "Other"]),
    _Line("62-day Combined", "Urgent Suspected Cancer", 16_000, 0.58, _TREATED),
)
_OF_SUB_ICBS = (
    _Line("28-day FDS", None, 270_000, 0.74, []),
    *(
        _Line(f"{part[:6]} Combined", part, patients, within, [])
        for part, patients, within in (
            ("31-day (First)", 28_900, 0.9),
            ("31-day Sub (Anti-cancer drug regimen)", 8_700, 0.98),
            ("31-day Sub (Other)", 610, 0.95),
            ("31-day Sub (Radiotherapy)", 9_200, 0.9),
            ("31-day Sub (Surgery)", 5_000, 0.79),
            ("62-day (Breast Symptomatic)", 120, 0.8),
            ("62-day (Consultant Upgrade)", 6_500, 0.73),
            ("62-day (Screening)", 1_700, 0.63),
            ("62-day (Urgent Suspected Cancer)", 16_000, 0.58),
        )
    ),
)
# Patients of a month in all of England, on each sheet of the workbooks.
_ON_SHEETS = {
    "CANCER_2WW": (185_000, 0.92),
    "CANCER_2WW_BREAST": (15_000, 0.87),
    "CANCER_62D_GP": (13_500, 0.79),
    "CANCER_62D_SCREENING": (1_700, 0.87),
    "CANCER_62D_UPGRADE": (3_500, 0.83),
    "CANCER_31D_FIRST": (25_000, 0.965),
    "CANCER_31D_SUB_SURGERY": (4_600, 0.92),
    "CANCER_31D_SUB_DRUG": (8_500, 0.99),
    "CANCER_31D_SUB_RT": (8_700, 0.965),
}


def write_month(folder: Path, country: Country, month: date) -> list[Path]:
    """The extracts of a month: a workbook, or one flat extract or two."""
    if month <= _WORKBOOKS_TO:
        return [_write_workbook(folder, country, month)]
    provider = csv_bytes(provider_rows(country, month))
    paths = [write_plain(folder / f"CWT-CRS-{month:%b-%Y}-Data-Extract-Provider.csv", provider)]
    if month >= _SUB_ICBS_FROM:
        sub_icb = csv_bytes(sub_icb_rows(country, month))
        paths.append(write_plain(folder / f"CWT-CRS-{month:%b-%Y}-Data-Extract-ICB-Sub-Location.csv", sub_icb))
    return paths


def _write_workbook(folder: Path, country: Country, month: date) -> Path:
    rng = country.draws(month, 4)
    scale = min(1.0, country.providers / 500) * growth(month)
    counts = {}
    for indicator, (patients, within) in _ON_SHEETS.items():
        total = rng.poisson(patients * scale * country.commissioner_sizes)
        counts[indicator] = (total, rng.binomial(total, within))
    areas = [f"E38{900_000 + number:06}" for number in range(country.commissioners - 1)]

    def rows_of(sheet: dict[str, str]) -> list[tuple[str, str, str, int, int]]:
        total, within = (column.tolist() for column in counts[sheet["indicator_id"]])
        rows = zip(areas, country.commissioner_codes, country.commissioner_names(month), total, within, strict=False)
        # A commissioner without patients is absent, as in the published workbooks.
        return [row for row in rows if row[3]]

    return workbooks.write_workbook(folder, month, "FINAL", rows_of)


def provider_rows(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month of trusts as published: a row a standard, stage, cancer and, of the combined standards,
    modality. Counts are patients."""
    is_combined = month >= _COMBINED_FROM
    lines = _COMBINED if is_combined else [n for n in _OF_OLD if month >= _DIAGNOSIS_FROM or n.standard != "28-day FDS"]
    rng = country.draws(month, 4)
    count = max(1, country.trusts * 7 // 10)
    shares = country.provider_sizes[:count] / country.provider_sizes[:count].sum()
    scale = min(1.0, country.providers / 500) * growth(month)
    frames = []
    for line in lines:
        cancers = line.cancers or [_ALL]
        popular = country.usual(4).dirichlet(np.full(len(cancers), 2.0))
        patients = rng.poisson(np.outer(line.patients * scale * shares, popular))
        within = rng.binomial(patients, line.within)
        is_by_modality = is_combined and line.standard != "28-day FDS"
        kinds = list(_rows(line, cancers, patients, within, _ALL_MODALITIES if is_by_modality else None))
        whole = (patients.sum(axis=1), within.sum(axis=1))
        if line.has_whole and line.cancers:
            kinds.append(_row(line, _ALL, None, *whole))
        if is_by_modality:
            chosen = rng.dirichlet(np.full(len(_MODALITIES), 2.0))
            in_time = rng.multinomial(whole[1], chosen)
            too_late = rng.multinomial(whole[0] - whole[1], chosen)
            for number, modality in enumerate(_MODALITIES):
                total = in_time[:, number] + too_late[:, number]
                kinds.append(_row(line, _ALL, modality, total, in_time[:, number]))
        frames += kinds
    rows = pl.concat(frames).filter(pl.col("patients") > 0)
    organisation = text(pl.col("organisation"), country.provider_codes)
    stage = "STAGE/ROUTE" if is_combined else "CARE SETTING"
    modalities = [pl.col("modality").alias("TREATMENT MODALITY")] if is_combined else []
    return rows.select(
        *_period(month, "/" if is_combined else "-"),
        pl.col("standard").alias("STANDARD"),
        organisation.alias("ORG CODE"),
        pl.col("stage").alias(stage),
        *modalities,
        pl.col("cancer").alias("CANCER TYPE"),
        *_counts("TOTAL TREATED"),
    )


def sub_icb_rows(country: Country, month: date) -> pl.DataFrame:
    """The rows of one month of sub-ICB locations as published: a row a standard and part. Counts are patients."""
    rng = country.draws(month, 10)
    scale = min(1.0, country.providers / 500) * growth(month)
    frames = []
    for line in _OF_SUB_ICBS:
        patients = rng.poisson(line.patients * scale * country.commissioner_sizes)
        frames.append(_row(line, _ALL, None, patients, rng.binomial(patients, line.within)))
    # In no month is a location without diagnoses: they tell that a file is whole.
    rows = pl.concat(frames).filter(pl.col("patients") > 0)
    return rows.select(
        *_period(month, "/"),
        pl.col("standard").alias("STANDARD"),
        text(pl.col("organisation"), country.commissioner_codes).alias("ICB SUB LOCATION"),
        pl.col("stage").alias("SUB-CATEGORY"),
        *_counts("TOTAL"),
    )


def _rows(
    line: _Line, cancers: list[str], patients: np.ndarray, within: np.ndarray, modality: str | None
) -> Iterator[pl.DataFrame]:
    for number, cancer in enumerate(cancers):
        yield _row(line, cancer, modality, patients[:, number], within[:, number])


def _row(line: _Line, cancer: str, modality: str | None, patients: np.ndarray, within: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"patients": patients, "within": within}).select(
        pl.lit(line.standard).alias("standard"),
        pl.int_range(pl.len()).alias("organisation"),
        pl.lit(line.stage, pl.String).alias("stage"),
        pl.lit(modality, pl.String).alias("modality"),
        pl.lit(cancer).alias("cancer"),
        "patients",
        "within",
    )


def _period(month: date, between: str) -> list[pl.Expr]:
    texts = {"PERIOD": f"{month:%Y-%m-%d}", "YEAR": year_text(month, between), "MONTH": f"{month:%b}".upper()}
    return [pl.lit(value).alias(heading) for heading, value in texts.items()]


def _counts(total: str) -> list[pl.Expr]:
    return [
        pl.col("patients").alias(total),
        pl.col("within").alias("WITHIN STANDARD"),
        (pl.col("patients") - pl.col("within")).alias("BREACHES"),
    ]
