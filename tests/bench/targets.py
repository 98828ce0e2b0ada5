"""What is asked of speed and memory, on two cores, as data; and whether a report meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """``figure`` is the way to a figure of the report; ``most`` is the most that it may be, itself met."""

    name: str
    figure: tuple[str, ...]
    most: float
    unit: str = "times"
    note: str = ""


TARGETS = (
    Target("first night against the bare engines", ("ratios", "first night to bare engines"), 10),
    Target("first night of the published files", ("published files", "first night"), 60, "s"),
    Target(
        "one new month in a full warehouse against the first night", ("ratios", "one new month to first night"), 0.25
    ),
    Target("nothing new", ("seconds", "nothing new"), 5, "s"),
    Target("one new month after 120 against after 12", ("ratios", "after 120 months to after 12"), 1.3),
    Target("a pack", ("seconds", "pack"), 2, "s"),
    Target("ccg indicators on all national months", ("seconds", "indicators"), 3, "s"),
    Target("120 months landed against DuckDB alone", ("ratios", "landing 120 months to DuckDB alone"), 1.5),
    Target(
        "peak memory after 120 months against after 12",
        ("ratios", "peak memory after 120 months to after 12"),
        1.3,
        note="bounded by one file and not by history; the bound is that of time",
    ),
)


def judged(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Each target with its figure and whether it is met; None for both where it was not measured."""
    rows = []
    for target in TARGETS:
        found: Any = report
        for name in target.figure:
            found = found.get(name) if isinstance(found, dict) else None
        rows.append(
            {
                "target": target.name,
                "most": target.most,
                "unit": target.unit,
                "figure": found,
                "is_met": None if found is None else found <= target.most,
                "note": target.note,
            }
        )
    return rows
