"""Plots: what the axes say, and where shapes and flags are."""

import re

import pytest

from plugins.module_utils.report.figures import Sum, figures
from plugins.module_utils.report.plot import Mark, Plot, Series, linear, logarithmic, short


def ticks(highest: float) -> list[str]:
    return [short(value) for value, _ in linear(highest).ticks]


@pytest.mark.parametrize(
    ("highest", "found"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (7, ["0", "2", "4", "6", "8"]),
        (1400, ["0", "500", "1k", "1.5k"]),
        (2e7, ["0", "5M", "10M", "15M", "20M"]),
    ],
)
def test_a_linear_axis_has_few_round_numbers(highest: float, found: list[str]) -> None:
    assert ticks(highest) == found
    assert linear(highest).share(highest) <= 1


def test_a_logarithmic_axis_has_whole_powers_of_ten() -> None:
    axis = logarithmic([0.3, 45.0, 0.0])
    assert [short(value) for value, _ in axis.ticks] == ["0.1", "1", "10", "100"]
    assert axis.share(1.0) == pytest.approx(1 / 3)
    assert axis.share(0.0) == 0
    assert len(logarithmic([]).ticks) == 2


def plot(*series: Series, width: float = 60, marks: tuple[Mark, ...] = ()) -> str:
    return str(Plot("n", "T<", "W&", 0, 600, series, width=width, marks=marks).html())


def paths(html: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="{kind}[^"]*" d="([^"]*)"', html)


def test_stacked_series_lie_on_each_other_and_leave_gaps() -> None:
    html = plot(Series("a", "r0", [(0, 2), (60, None), (120, 1)]), Series("b", "r1", [(0, 2)]))
    assert paths(html, "area") == [
        "M0 1000V500H100V1000zM200 1000V750H300V1000z",
        "M0 500V0H100V500z",
    ]


def test_a_line_is_broken_where_there_is_no_value() -> None:
    line = Series("p50", "p50", [(0, 1), (60, 10), (120, None), (180, 1)])
    (path,) = paths(plot(line, width=0), "line")
    assert path == "M0 1000h0L100 0M300 1000h0"


def test_near_marks_share_a_flag() -> None:
    marks = (Mark(300, "2"), Mark(290, "1"), Mark(500, "3"))
    html = plot(Series("a", "r0", []), marks=marks)
    assert re.findall(r'<li style="left:([\d.]+)%">([^<]*)</li>', html)[:2] == [
        ("49.17", "1-2"), ("83.33", "3")
    ]  # fmt: skip
    assert paths(html, "mark") == ["M500 0v1000M483.3 0v1000M833.3 0v1000"]


def test_words_are_escaped() -> None:
    html = plot(Series("a", "r0", []))
    assert '<title id="n-title">T&lt;</title><desc id="n-words">W&amp;</desc>' in html


def test_a_percentile_is_of_all_hosts_together() -> None:
    """A quick and a slow host: neither alone says what 99 of 100 calls took."""
    host = {"now": 600, "begin": 0, "since": 0, "width": 60}
    quick = {"at": 0, "codes": {"OK": 900}, "releases": {"a": 900}, "took": {"0": 900}}
    slow = {"at": 0, "codes": {"UNKNOWN": 100}, "releases": {"b": 100}, "took": {"80": 100}}
    found = figures([{**host, "slices": [quick]}, {**host, "since": 60, "slices": [slow]}])
    assert found
    assert (found.total.calls, found.total.faults, found.total.refused) == (1000, 100, 0)
    assert [found.total.percentile(share) for share in (50, 90, 91, 99)] == [1, 1, 1024, 1024]
    assert found.since == 60
    assert Sum().percentile(99) is None
