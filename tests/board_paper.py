"""The tables of the Herts Valleys board paper of September 2019 (May 2019 data) as files of the returns template.

The reference tables are transcribed from the paper as printed; this puts codes for names, periods for their texts and
a status for a blank, and leaves the figures, targets and remarks as they are.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

HEADINGS = [
    *("indicator_id", "provider_code", "org_code", "org_level", "period", "numerator", "denominator", "value"),
    *("unit", "target", "status", "note"),
]
TABLES = [
    *("ae", "rtt_diag", "dtoc", "cancer_hvccg", "stp_access", "stp_cancer", "mental_health", "local_standards"),
    *("nepts", "long_stay_weekly", "bcf", "finance", "glance"),
]
PAPER_MONTH = "2019-05"

ORGANISATIONS = {
    "WHHT": "RWG",
    "RFL": "RAL",
    "L&D": "RC9",
    "HCT": "RY4",
    "HPFT (Herts)": "RWR",
    "HVCCG": "06N",
    "Hertfordshire and West Essex STP": "QM7",
    "Hertfordshire HWB": "E10000015",
    "HUC 111": "HUC111",
    "HUC OOH": "HUCOOH",
    "Connect MSK": "CONNECT",
    "Communitas community ENT": "COMMUNITAS",
    "CHEC community eye care": "CHEC",
    "Millbrook wheelchair services": "MILLBROOK",
    "EEAST NEPTS": "EEAST_NEPTS",
}
# Whose the references are that the paper prints for a service: its local codes.
LOCAL_CODES = {
    "HUC 111": "HUC",
    "HUC OOH": "HUC",
    "Connect MSK": "CONNECT",
    "Communitas community ENT": "COMMUNITAS",
    "Millbrook wheelchair services": "MILLBROOK",
    "EEAST NEPTS": "RYC",
}
UNITS = {"rate per 100,000": "rate_per_100000", "GBP million": "gbp_millions", "GBP thousand": "gbp_thousands"}
# By the words of the title; the first that fits. Cancer has the same titles for the CCG, the STP and at a glance.
_CANCER = [
    (r"two week wait for breast|2-week wait \(breast", "CANCER_2WW_BREAST"),
    (r"two week wait|2-week waits", "CANCER_2WW"),
    (r"within 31 days|31 day wait first", "CANCER_31D_FIRST"),
    (r"31 day.*surgery", "CANCER_31D_SUB_SURGERY"),
    (r"31 day.*drug", "CANCER_31D_SUB_DRUG"),
    (r"31 day.*radiotherapy", "CANCER_31D_SUB_RT"),
    (r"62 day.*screening", "CANCER_62D_SCREENING"),
    (r"62 day.*upgrade", "CANCER_62D_UPGRADE"),
    (r"62 day.*urgent referral", "CANCER_62D_GP"),
]
_ACCESS = [
    (r"4 hours|4hrs", "AE_4HR"),
    (r"trolley", "AE_TROLLEY_12HR"),
    (r"incomplete pathways within|rtt incomplete", "RTT_INCOMPLETE_18W"),
    (r"more than a year|>52", "RTT_52W"),
    (r"diagnostic", "DIAG_6W"),
]
_DELAYS = [
    (r"%|care: (whht|hct)$", "DTOC_RATE_REPORTED"),
    (r"total", "DTOC_DAYS"),
    (r"health", "DTOC_DAYS_NHS"),
    (r"social", "DTOC_DAYS_SOCIAL"),
    (r"both", "DTOC_DAYS_BOTH"),
]
TITLES = {
    "ae": _ACCESS,
    "rtt_diag": _ACCESS,
    "stp_access": _ACCESS,
    "cancer_hvccg": _CANCER,
    "stp_cancer": _CANCER,
    "dtoc": _DELAYS,
    "glance": [*_CANCER, *_ACCESS, *_DELAYS],
    "long_stay_weekly": [(r"long stay", "LONG_STAY_21D")],
    "bcf": [
        (r"non-elective", "BCF_NONELECTIVE_ADMISSIONS"),
        (r"nursing care homes", "BCF_CARE_HOMES_100K"),
        (r"91 days", "BCF_REABLEMENT_91D"),
        (r"delayed transfers", "DTOC_RATE_100K"),
    ],
    "mental_health": [(r"community mental health team", "MH_CMHT_28D")],
    "local_standards": [
        (r"referrals to the service", "EYE_ERS_REFERRALS"),
        (r"completed clinical triage", "EYE_TRIAGE_2D"),
        (r"onward referral", "EYE_ONWARD_ERS"),
        (r"discharge summaries", "EYE_DISCHARGE_SUMMARY_5D"),
        (r"urgent referrals offered", "EYE_URGENT_2W"),
        (r"routine referrals offered", "EYE_ROUTINE_6W"),
        (r"ifr policies", "EYE_IFR_POLICY"),
        (r"formulary", "EYE_FORMULARY"),
        (r"first to follow up", "EYE_FIRST_FOLLOW_UP"),
        (r"cancelled.*first contact", "EYE_CANCELLED_FIRST"),
        (r"cancelled.*follow up", "EYE_CANCELLED_FOLLOW_UP"),
        (r"suspected cancer", "EYE_SUSPECTED_CANCER_24H"),
    ],
}


@dataclass(frozen=True)
class Returns:
    """``rows`` by table, in the template's columns; ``repeats`` are printed rows that an earlier one already gives."""

    rows: dict[str, list[dict[str, str]]]
    repeats: int

    @property
    def row_count(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def as_returns(tables: Path, names: list[str] = TABLES) -> Returns:
    """The tables (``reference/board_paper_2019``) as returns.

    A figure that the paper prints several times is returned once, with all remarks; AssertionError where the printed
    figures differ.
    """
    by_key: dict[tuple[str, ...], dict[str, str]] = {}
    rows: dict[str, list[dict[str, str]]] = {}
    repeats = 0
    for name in names:
        rows[name] = []
        with open(tables / f"{name}.csv", encoding="utf-8", newline="") as file:
            printed = list(csv.DictReader(file))
        for row in _finance(printed) if name == "finance" else [_one(name, line) for line in printed]:
            key = tuple(row[c] for c in ("indicator_id", "provider_code", "org_code", "period"))
            if (earlier := by_key.get(key)) is None:
                by_key[key] = row
                rows[name].append(row)
                continue
            assert _number(earlier["value"]) == _number(row["value"]), (key, earlier["value"], row["value"])
            earlier["note"] = "; ".join(dict.fromkeys(filter(None, (earlier["note"], row["note"]))))
            repeats += 1
    return Returns(rows, repeats)


def write_returns(tables: Path, folder: Path, names: list[str] = TABLES) -> Returns:
    """`as_returns`, one csv a table in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    returns = as_returns(tables, names)
    for name, rows in returns.rows.items():
        if rows:
            with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, HEADINGS)
                writer.writeheader()
                writer.writerows(rows)
    return returns


def _one(table: str, line: dict[str, str]) -> dict[str, str]:
    code, provider = _code(table, line)
    return {
        **dict.fromkeys(HEADINGS, ""),
        "indicator_id": code,
        "provider_code": provider,
        "org_code": ORGANISATIONS[line["org"]],
        "period": _period(line["period"]),
        "value": line["value"],
        "unit": UNITS.get(line["unit"], line["unit"]),
        "target": line["target"],
        "status": _status(line),
        "note": line["note"],
    }


def _code(table: str, line: dict[str, str]) -> tuple[str, str]:
    """The catalogue's id, or the reference printed with whose it is."""
    reference = re.sub(r" \(.*", "", line["indicator_ref"])
    if reference and line["org"] in LOCAL_CODES:
        return reference, LOCAL_CODES[line["org"]]
    if table == "mental_health" and reference != "-":
        return reference, "06N"
    title = line["indicator"].lower()
    found = next(indicator for words, indicator in TITLES[table] if re.search(words, title))
    if line["org"] == "HCT" and found.startswith("DTOC_DAYS"):
        # The paper's days of HCT are those of its Herts Valleys part.
        found = found.replace("DTOC_DAYS", "DTOC_DAYS_HV")
    return found, ""


def _period(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return f"w/e {text}"
    if text == "2019/20 YTD":
        return f"{PAPER_MONTH} YTD"
    return text.removesuffix("-FY")


def _status(line: dict[str, str]) -> str:
    """A blank is what the remark beside it says; the paper states no edition of a figure."""
    if line["value"]:
        return "final"
    remark = line["note"].lower()
    if "no referrals in the month" in remark:
        return "no activity"
    if "printed 'n/a'" in remark:
        return "not applicable"
    return "not available"


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


_SPENDING = ("acute", "non_acute", "primary_care", "other_programme", "running_costs")
# Sections that sum up others, or change plans: no figure of theirs is an indicator with a plan and an actual.
SECTIONS_NOT_RETURNED = ("exec_summary", "financial_duties", "resource_allocation", "underlying_position")
# Which measure is the plan of which: budget as target, actual or forecast as value.
_PLAN_OF = {
    "ytd_actual": "ytd_budget",
    "annual_forecast": "annual_budget",
    "actual_total": "forecast_drawdown",
}


def _finance(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Spending against budget, QIPP against plan, cash against forecast, balances and invoices paid in time.

    Variances are not returned: AssertionError where one is not budget less actual, to the rounding of its parts.
    """
    printed = {(line["section"], line["line"], line["period"], line["measure"]): line for line in lines}
    rows = []
    for (section, title, period, measure), line in printed.items():
        if section in _SPENDING and measure.endswith("variance"):
            of = ("ytd_budget", "ytd_actual") if measure == "ytd_variance" else ("annual_budget", "annual_forecast")
            budget, actual = (Decimal(printed[section, title, period, m]["value"]) for m in of)
            assert abs(budget - actual - Decimal(line["value"])) <= 1, line
        found = _finance_indicator(section, title, measure)
        if found is None:
            continue
        plans = {"ytd_actual": "ytd_plan", "annual_forecast": "annual_plan"} if section == "qipp" else _PLAN_OF
        plan = printed.get((section, title, period, plans.get(measure, "")))
        rows.append(
            {
                **dict.fromkeys(HEADINGS, ""),
                "indicator_id": found,
                "org_code": "06N",
                "period": f"{period} YTD" if measure == "percent_paid_cumulative" else period[:7],
                "value": line["value"],
                "unit": UNITS.get(line["unit"], line["unit"]),
                "target": plan["value"] if plan else "95" if section == "bppc" else "",
                "status": "provisional" if measure == "annual_forecast" else "final",
                "note": "; ".join(
                    filter(None, (line["note"], "forecast for the year" if measure == "annual_forecast" else ""))
                ),
            }
            | ({"period": period} if period.endswith("YTD") else {})
        )
    return rows


def _finance_indicator(section: str, title: str, measure: str) -> str | None:
    name = "TOTAL" if title.startswith("TOTAL") else re.sub(r"[^A-Z0-9]+", "_", title.upper()).strip("_")
    if section in _SPENDING and measure in ("ytd_actual", "annual_forecast"):
        return f"FIN_{section.upper()}_{name}"
    if section == "qipp" and measure in ("ytd_actual", "annual_forecast"):
        return "FIN_QIPP"
    if section == "qipp" and measure.endswith("percent_achieved"):
        return "FIN_QIPP_ACHIEVED"
    if section == "cash_drawdown" and measure == "actual_total":
        return "FIN_CASH_DRAWN"
    if section == "financial_position":
        return f"FIN_BALANCE_{name}"
    return f"FIN_BPPC_{name}" if section == "bppc" else None
