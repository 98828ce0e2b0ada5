"""The report of a benchmark: ratios, targets, and the same as text in aligned columns."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from targets import judged

_PACKAGES = ("duckdb", "polars", "fastexcel", "dagster", "dbt-core", "dbt-duckdb", "great-expectations", "pandas")
# The stages that a night records, in the words of the report.
_STAGES = {
    "start": "start (imports, definitions)",
    "receive": "recognise",
    "load": "read and load",
    "build": "dbt",
    "check": "expectations on rows",
    "judge": "expectations on figures",
    "publish": "publish",
}
_BAR = 30
_IDLE = 0.3  # load of a core that is not at work on anything else


def machine() -> dict[str, Any]:
    """What it was measured on."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next(
            (s.split(":", 1)[1].strip() for s in info.read_text().splitlines() if s.startswith("model name")), cpu
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "processor": cpu,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "load_before": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def completed(report: dict[str, Any]) -> dict[str, Any]:
    """The report with its ratios and targets, as far as they were measured."""
    full, month, history = (report.get(name) or {} for name in ("full load", "new month", "history"))
    first = full.get("first night", {})
    seconds = {
        "first night": first.get("seconds"),
        "nothing new": full.get("nothing new", {}).get("seconds"),
        "pack": full.get("pack", {}).get("seconds"),
    }
    landing, alone = history.get("landing", {}), history.get("DuckDB alone", {})
    # What is asked of a decade is not answered by less.
    months = 120 if landing.get("files", 0) >= 120 else landing.get("files")
    if months:
        seconds[f"indicators on {months} months"] = history["indicators"]["seconds"]
    after = {int(count): step["one new month"] for count, step in history.get("months", {}).items()}
    new_month = month.get("one new month", {}).get("seconds")
    ratios: dict[str, float | None] = {
        "first night to bare engines": _ratio(first.get("seconds"), full.get("bare engines", {}).get("seconds")),
        "one new month to first night": _ratio(new_month, first.get("seconds")),
        "nothing new to first night": _ratio(seconds["nothing new"], first.get("seconds")),
        "pandas script to one new national month": None,
    }
    if after:
        most, base = max(after), 12 if 12 in after else min(after)
        if most > base:
            ratios[f"after {most} months to after {base}"] = _ratio(after[most]["seconds"], after[base]["seconds"])
            ratios[f"peak memory after {most} months to after {base}"] = _ratio(
                after[most]["all_mib"], after[base]["all_mib"]
            )
        ratios[f"landing {months} months to DuckDB alone"] = _ratio(landing.get("seconds"), alone.get("seconds"))
        ratios["pandas script to one new national month"] = _ratio(
            history.get("pandas", {}).get("seconds"), after[most]["seconds"]
        )
    report = report | {"seconds": seconds, "ratios": {name: r for name, r in ratios.items() if r is not None}}
    if report.get("is_of_published_files"):
        report["published files"] = {"first night": seconds["first night"]}
    return report | {"targets": judged(report)}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return round(part / whole, 3) if part is not None and whole else None


def text(report: dict[str, Any]) -> str:
    """The report as it is read."""
    about = report["machine"]
    lines = [
        f"{about['cores']} cores ({about['processor']}), {about['memory_gib']} GiB, {about['system']}",
        f"load before: {', '.join(map(str, about['load_before']))}; Python {about['python']}, "
        + ", ".join(f"{package} {about[package]}" for package in _PACKAGES),
        f"files: {report['files']}",
        *_busy(about),
        "",
        *_commands(report),
        *_stages(report),
        *_history(report.get("history") or {}),
        *_imports(report.get("imports") or {}),
        "Ratios",
        *_columns([[name, f"{ratio:.3f}"] for name, ratio in report["ratios"].items()]),
        "",
        "Targets",
        *_columns(
            [
                [
                    row["target"],
                    "not measured" if row["figure"] is None else f"{row['figure']:.3f} {row['unit']}",
                    f"at most {row['most']:g}",
                    "" if row["is_met"] is None else "met" if row["is_met"] else "MISSED",
                    row["note"],
                ]
                for row in report["targets"]
            ]
        ),
    ]
    if report["not measured"]:
        lines += ["", "Not measured", *(f"  {reason}" for reason in report["not measured"])]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _busy(about: dict[str, Any]) -> list[str]:
    if about["load_before"][0] <= _IDLE * about["cores"]:
        return []
    return ["!!! The machine was busy with other work: seconds, and ratios too, are worse than on an idle one. !!!"]


def _commands(report: dict[str, Any]) -> list[str]:
    """Seconds and memory of each command."""
    full, month, history = (report.get(name) or {} for name in ("full load", "new month", "history"))
    rows = [["Commands", "seconds", "cpu s", "peak MiB: pipeline", "dbt", "all at once"]]
    commands = [
        ("first night, all files", full.get("first night")),
        ("night with nothing new", full.get("nothing new")),
        ("night with one new month", month.get("one new month")),
        ("pack", full.get("pack")),
    ]
    for count, step in history.get("months", {}).items():
        commands += [
            (f"national: night that fills up to {count}", step["filling"]),
            (f"national: one new month after {count}", step["one new month"]),
        ]
    commands += [
        ("national: ccg indicators", history.get("indicators")),
        ("national: pandas script", history.get("pandas")),
    ]
    for name, found in commands:
        if found:
            sizes = (found["pipeline_mib"], found["dbt_mib"], found["all_mib"])
            rows.append(
                [
                    name,
                    f"{found['seconds']:.2f}",
                    f"{found['cpu_seconds']:.1f}",
                    *("-" if s is None else f"{s:,}" for s in sizes),
                ]
            )
    for name, found in (
        ("bare engines, the same files", full.get("bare engines")),
        ("DuckDB alone, national RTT", history.get("DuckDB alone")),
    ):
        if found:
            peak = found["peak_mib"]
            rows.append([name, f"{found['seconds']:.2f}", "", "", "", "-" if peak is None else f"{peak:,}"])
    return [*_columns(rows), ""]


def _stages(report: dict[str, Any]) -> list[str]:
    """Where the time goes, by stage of each kind of night."""
    full, month, history = (report.get(name) or {} for name in ("full load", "new month", "history"))
    nights = [("first night, all files", full.get("first night")), ("one new month", month.get("one new month"))]
    nights += [
        (f"one national month after {n}", step["one new month"]) for n, step in history.get("months", {}).items()
    ]
    lines = []
    for name, night in nights:
        if not night:
            continue
        whole = night["seconds"]
        stages = {_STAGES.get(k, k): v for k, v in night["stages"].items() if k != "all"}
        stages["the rest"] = max(0.0, whole - sum(stages.values()))
        lines.append(f"Seconds by stage: {name} ({whole:.1f})")
        lines += _columns(
            [[stage, f"{seconds:.1f}", "#" * round(seconds / whole * _BAR)] for stage, seconds in stages.items()]
        )
        lines.append("")
    if alone := full.get("reading alone"):
        lines.append("Reading alone, one process, nothing stored")
        lines += _columns([[name, f"{s:.1f}"] for name, s in alone.items() if name != "peak_mib"])
        lines.append("")
    return lines


def _history(history: dict[str, Any]) -> list[str]:
    if not history:
        return []
    rows = [["Months of national RTT loaded", "one new month, s", "warehouse MB", "publication MB"]]
    for count, step in history["months"].items():
        sizes = step["megabytes"]
        rows.append(
            [count, f"{step['one new month']['seconds']:.1f}", f"{sizes['warehouse']:,}", f"{sizes['publication']:,}"]
        )
    landing, alone, pandas = history["landing"], history["DuckDB alone"], history["pandas"]
    lines = [
        *_columns(rows),
        f"  landing of all {landing['files']} files (recognise, read, load): {landing['seconds']:.1f} s; DuckDB alone, "
        f"{alone['rows']:,} rows: {alone['seconds']:.1f} s",
        "",
        "The same figure from a pandas script and from ccg indicators",
        *_columns(
            [
                [who, f"{found['value']:.4f} %", f"{found['numerator']:,} of {found['denominator']:,}"]
                for who, found in (("pandas", pandas["figure"]), ("ccg", pandas["figure of ccg indicators"]))
            ]
        ),
    ]
    if not pandas["is_the_same"]:
        lines += ["  !!! THE TWO DIFFER: one of them is wrong. Do not use either before it is known which. !!!"]
    return [*lines, ""]


def _imports(imports: dict[str, float]) -> list[str]:
    return ["Imports alone", *_columns([[name, f"{s:.2f}"] for name, s in imports.items()]), ""] if imports else []


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows in columns, those of figures to the right."""
    count = max(map(len, rows), default=0)
    columns = [[row[i] if i < len(row) else "" for row in rows] for i in range(count)]
    aligned = []
    for number, cells in enumerate(columns):
        width = max(map(len, cells))
        is_figures = number > 0 and any(cell[:1].isdigit() for cell in cells)
        aligned.append([cell.rjust(width) if is_figures else cell.ljust(width) for cell in cells])
    return ["  " + "  ".join(cells) for cells in zip(*aligned, strict=True)]
