from ccg_pipeline.publication.indicators import render, shown, verdict

ROW = {
    "indicator_id": "RTT_INCOMPLETE_18W",
    "org_code": "06N",
    "period": "2019-05",
    "numerator": 9196,
    "denominator": 10000,
    "value": 91.96,
    "unit": "percent",
    "comparator": ">=",
    "standard": 92,
    "is_met": False,
    "excess_breaches": 4,
    "ytd_numerator": None,
    "ytd_denominator": None,
    "ytd_value": None,
    "ytd_caveat": "no year to date: no figures for April 2019; rounded",
    "source": "derived",
    "edition": "provisional",
    "caveat": None,
    "extract_ids": ["ab"],
}


def test_percentages_round_half_up_from_the_exact_fraction() -> None:
    assert shown(91.96, 9196, 10000, "percent") == "92.0 %"
    assert shown(82.25, 329, 400, "percent") == "82.3 %"
    assert shown(79.85, 1597, 2000, "percent") == "79.9 %"
    assert shown(100.0, 16, 16, "percent") == "100.0 %"


def test_counts_and_missing_values() -> None:
    assert shown(13127.0, 13127, None, "count") == "13,127"
    assert shown(0.0, 0, None, "days") == "0"
    assert shown(None, None, None, "percent") == "no value"


def test_a_value_shown_as_the_standard_may_still_not_meet_it() -> None:
    table = render([ROW], "table")
    assert "92.0 %" in table
    assert "not met, 4 in excess" in table
    assert table.rstrip().endswith("provisional; no year to date: no figures for April 2019")


def test_what_was_not_judged_is_told_apart_from_what_has_no_standard() -> None:
    assert verdict({**ROW, "standard": None, "is_met": None}) == "no standard"
    assert verdict({**ROW, "is_met": None}) == "not judged"
    assert verdict({**ROW, "is_met": True}) == "met"


def test_a_reported_value_says_so_and_has_no_excess_without_its_parts() -> None:
    row = {**ROW, "source": "reported", "edition": "final", "numerator": None, "denominator": None}
    table = render([{**row, "excess_breaches": None, "ytd_caveat": None, "caveat": "as printed"}], "table")
    assert "92.0 %" in table
    assert ">= 92     not met " in table
    assert table.rstrip().endswith("reported; as printed")
    assert shown(0.045, None, None, "ratio") == "0.05"


def test_machine_formats_are_unrounded() -> None:
    assert "91.96" in render([ROW], "csv")
    assert '"value": 91.96' in render([ROW], "json")
