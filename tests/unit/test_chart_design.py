"""The chart that packs are drawn from is the one that is designed."""

from ccg_pipeline.publication import chart_design, charts


def test_the_compiled_chart_is_that_of_the_design() -> None:
    assert charts.TEMPLATE.read_text(encoding="utf-8") == chart_design.compiled(), "make chart writes it anew"
