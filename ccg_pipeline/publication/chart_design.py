"""The design of a control chart: its lines, marks and scales, in Altair.

``python -m ccg_pipeline.publication.chart_design`` compiles it into ``templates/chart.json``, which `charts` fills with
rows: compiling it takes longer than drawing a pack's charts. A test proves that what stands there is what is designed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from ccg_pipeline.publication.charts import (
    BOTTOM,
    HEIGHT,
    INK,
    LEFT,
    LIMIT,
    LINE,
    MARKS,
    MEAN,
    PLAN,
    RIGHT,
    TARGET,
    TEMPLATE,
    TOP,
    WIDTH,
)


def compiled() -> str:
    """The chart as a Vega specification (JSON) without its rows."""
    x = alt.X(
        "label:O",
        sort=None,
        scale=alt.Scale(paddingOuter=0.5),
        axis=alt.Axis(title=None, labelAngle=0, labelOverlap=False, tickSize=5, grid=False),
    )
    axis = alt.Axis(title=None, tickCount=5, format=",.2~f", labelOverlap=False, gridColor="#d8dde0")

    def line(field: str, colour: str, width: float, dash: Sequence[int] = (), **more: Any) -> Any:
        y = alt.Y(f"{field}:Q", scale=alt.Scale(zero=False), axis=axis)
        return base.mark_line(color=colour, strokeWidth=width, strokeDash=list(dash), **more).encode(x=x, y=y)

    base = alt.Chart(alt.Data(name="points"))
    shown = "isValid(datum.value)"
    shapes, fills, strokes = zip(*MARKS.values(), strict=True)
    domain = list(MARKS)
    points = (
        base.transform_filter(shown)
        .mark_point(filled=True, size=70, opacity=1, strokeWidth=1.5)
        .encode(
            x=x,
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=axis),
            shape=alt.Shape("variation:N", scale=alt.Scale(domain=domain, range=list(shapes)), legend=None),
            fill=alt.condition(
                "datum.is_provisional",
                alt.value("#ffffff"),
                alt.Fill("variation:N", scale=alt.Scale(domain=domain, range=list(fills)), legend=None),
            ),
            stroke=alt.Stroke("variation:N", scale=alt.Scale(domain=domain, range=list(strokes)), legend=None),
        )
    )
    chart = (
        alt.layer(
            line("upper_limit", LIMIT, 1.5, (3, 3)).encode(detail="baseline_number:N"),
            line("lower_limit", LIMIT, 1.5, (3, 3)).encode(detail="baseline_number:N"),
            line("mean", MEAN, 1.5).encode(detail="baseline_number:N"),
            line("target", TARGET, 2, (9, 4), interpolate="step"),
            line("plan", PLAN, 2, (2, 3, 8, 3)),
            line("value", LINE, 2),
            points,
        )
        .resolve_scale(shape="shared")
        .properties(
            width=WIDTH - LEFT - RIGHT,
            height=HEIGHT - TOP - BOTTOM,
            padding={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
            autosize=alt.AutoSizeParams(type="none"),
        )
        .configure(font="Arial, Helvetica, sans-serif", aria=False, background="#ffffff")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=14, labelColor=INK, domainColor="#768692", tickColor="#768692", minExtent=0, maxExtent=200
        )
    )
    return json.dumps(vl_convert.vegalite_to_vega(chart.to_dict(validate=False)), indent=1) + "\n"


if __name__ == "__main__":
    TEMPLATE.write_text(compiled(), encoding="utf-8")
