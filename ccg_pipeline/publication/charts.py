"""Control charts as inline SVG, drawn by Vega from the rows of ``fct_spc_charts``.

The picture of a chart depends on its rows alone: all margins are fixed and nothing is placed by the width of a text, so
that machines with other fonts write the same bytes. What the marks mean stands beside the picture, as text.

What is the same in every chart is designed in `chart_design`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "templates" / "chart.json"
WIDTH, HEIGHT = 640, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 34
_MOST_LABELS = 9
# The picture is one image with a description; its groups have nothing to say of their own.
_ROLES = re.compile(r' (?:role="graphics-[a-z]+"|aria-[a-z]+="[^"]*"|pointer-events="none")')

# Shape and colour of a point by its variation, those of Making Data Count; outlines have a contrast of 3:1 to white.
COMMON, CONCERN, IMPROVEMENT, NEUTRAL = "common_cause", "concern", "improvement", "neutral"
MARKS: Mapping[str, tuple[str, str, str]] = {
    COMMON: ("circle", "#768692", "#4c6272"),
    CONCERN: ("square", "#ed8b00", "#9a5200"),
    IMPROVEMENT: ("triangle-up", "#41b6e6", "#005eb8"),
    NEUTRAL: ("diamond", "#b9a8cc", "#330072"),
}
INK, LINE, MEAN, LIMIT, TARGET, PLAN = "#212b32", "#005eb8", "#4c6272", "#4c6272", "#b3152c", "#006747"


def draw(points: Sequence[Mapping[str, Any]], name: str, title: str, description: str) -> str:
    """The chart of one series as an ``svg`` element.

    ``points`` are in the order of time, one a period, periods without a value among them (value None): keys ``label``
    (of the period, different in each), ``value``, ``mean``, ``lower_limit``, ``upper_limit``, ``target``, ``plan``,
    ``baseline_number``, ``variation`` and ``is_provisional``. ``name`` is unique in the document.
    """
    import vl_convert

    spec = json.loads(_template())
    rows = [{**point, "variation": point["variation"] or COMMON} for point in points]
    next(data for data in spec["data"] if data["name"] == "points")["values"] = rows
    every = max(1, math.ceil(len(rows) / _MOST_LABELS))
    labelled = [row["label"] for row in rows][len(rows) - 1 :: -every][::-1]
    for axis in spec["axes"]:
        if axis["scale"] == "x" and not axis.get("grid"):
            axis["values"] = labelled
    picture = vl_convert.vega_to_svg(spec)
    body = _ROLES.sub("", picture[picture.index(">") + 1 :])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{body}'
    )


def key(mark: str) -> str:
    """The picture of a mark for the legend, hidden from screen readers: the text beside it says the same."""
    lines = {
        "value": f'<path d="M1 8H27" stroke="{LINE}" stroke-width="2"/>',
        "mean": f'<path d="M1 8H27" stroke="{MEAN}" stroke-width="1.5"/>',
        "limit": f'<path d="M1 8H27" stroke="{LIMIT}" stroke-width="1.5" stroke-dasharray="3 3"/>',
        "target": f'<path d="M1 8H27" stroke="{TARGET}" stroke-width="2" stroke-dasharray="9 4"/>',
        "plan": f'<path d="M1 8H27" stroke="{PLAN}" stroke-width="2" stroke-dasharray="2 3 8 3"/>',
        "provisional": f'<circle cx="14" cy="8" r="4.5" fill="#fff" stroke="{MARKS[COMMON][2]}" stroke-width="1.5"/>',
    }
    if mark in MARKS:
        shape, fill, stroke = MARKS[mark]
        drawn = {
            "circle": "M9.5 8a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0",
            "square": "M9.5 3.5h9v9h-9z",
            "triangle-up": "M14 2.5l5.5 10h-11z",
            "diamond": "M14 2l5 6l-5 6l-5 -6z",
        }[shape]
        lines[mark] = f'<path d="{drawn}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
    return (
        '<svg class="key" aria-hidden="true" focusable="false" width="28" height="16" viewBox="0 0 28 16">'
        f"{lines[mark]}</svg>"
    )


@cache
def _template() -> str:
    """The chart as a Vega specification without its rows, from which every chart is a copy."""
    return TEMPLATE.read_text(encoding="utf-8")
