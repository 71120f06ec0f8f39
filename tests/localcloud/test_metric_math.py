"""What expressions make of metrics; the tables are those of AWS's page on metric math."""

import pytest

from localcloud.metric_functions import MathError, Series
from localcloud.metric_math import Expression


def series(*values: float | None) -> Series:
    grid = tuple(range(0, 60 * len(values), 60))
    found = {at: one for at, one in zip(grid, values, strict=True) if one is not None}
    return Series(found, grid)


def result(text: str, **metrics: Series) -> list[float | None]:
    made = Expression(text).series(metrics)
    return [made.values.get(at) for at in made.grid]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m1 < m2", [0, 0, 1, 0]),
        ("m1 >= 30", [1, 0, 0, 0]),
        ("m1 > 15 AND m2 > 15", [1, 0, 0, 0]),
        ("m1 > 15 && m2 > 15", [1, 0, 0, 0]),
        ("m1 > 25 OR m2 > 15", [1, 0, 1, 0]),
        ("m1 + m2", [50, 20, 20, 0]),
        ("m1 - 10", [20, 10, -10, -10]),
        ("-m1", [-30, -20, 0, 0]),
        ("100 * m1 / (m1 + m2)", [60, 100, 0, None]),
        ("m2 ^ 2", [400, None, 400, None]),
        ("1 + 2 * m2", [41, None, 41, None]),
        ("FILL(m2, 0)", [20, 0, 20, 0]),
        ("FILL(m2, 5) + 1", [21, 6, 21, 6]),
        ("FILL(m2, REPEAT)", [20, 20, 20, 20]),
        ("FILL(m2, LINEAR)", [20, 20, 20, None]),
        ("FILL(m2, m1)", [20, 20, 20, 0]),
        ("SUM([m1, m2])", [50, 20, 20, 0]),
        ("MAX([m1, m2])", [30, 20, 20, 0]),
        ("AVG([m1, m2])", [25, 10, 10, 0]),
        ("m1 - MIN(m1)", [30, 20, 0, 0]),
        ("m1 / PERIOD(m1)", [0.5, 20 / 60, 0, 0]),
        ("CEIL(m1 / 7)", [5, 3, 0, 0]),
    ],
)
def test_an_expression_is_evaluated(text: str, expected: list[float | None]) -> None:
    given = {"m1": series(30, 20, 0, 0), "m2": series(20, None, 20, None)}
    assert result(text, **given) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IF(m1, m2, m3)", [30, 0, 20, None, None]),
        ("IF(m1, 5, m3)", [5, 5, 20, None, None]),
        ("IF(m1, m2, 5)", [30, 0, 5, 5, None]),
        ("IF(m1, m2)", [30, 0, None, None, None]),
        ("IF(1, m2, m3)", [30, None, 0, 0, 30]),
        ("IF(0, m2, m3)", [0, 0, 20, None, 20]),
    ],
)
def test_if_chooses_for_each_moment(text: str, expected: list[float | None]) -> None:
    given = {
        "m1": series(1, 1, 0, 0, None),
        "m2": series(30, None, 0, 0, 30),
        "m3": series(0, 0, 20, None, 20),
    }
    assert result(text, **given) == expected


def test_a_share_of_errors_needs_some_errors() -> None:
    text = "IF(errors >= 3, 100 * errors / calls, 0)"
    given = {"errors": series(2, 3, None, 0), "calls": series(2, 6, 9, None)}
    assert result(text, **given) == [0, 50, None, 0]


def test_a_metric_without_any_value_is_filled_over_all_that_was_asked() -> None:
    assert result("FILL(beats, 0)", beats=series(None, None)) == [0, 0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("m1 +", "ends too early"),
        ("(m1", "expected"),
        ("m1 m2", "unexpected"),
        ("m1 # 2", "cannot read"),
        ("SEARCH(m1)", "the function SEARCH is not here"),
        ("FILL(m1)", "takes 2 to 2 arguments"),
        ("m9 + 1", "no metric has the id 'm9'"),
        ("AVG(m1)", "does not make one time series"),
        ("[m1, m1]", "does not make one time series"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, why: str) -> None:
    with pytest.raises(MathError, match=why):
        result(text, m1=series(1, 2), m2=series(1, 2))
