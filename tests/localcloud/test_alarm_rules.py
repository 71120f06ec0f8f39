"""In which state datapoints put an alarm; the tables are those of AWS's page on missing data."""

import pytest

from localcloud.alarm_rules import Datapoint, Rule, judge

KEPT = "KEPT"
UNKNOWN = "INSUFFICIENT_DATA"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def points(drawn: str) -> list[Datapoint | None]:
    """Newest first: 0 is within the threshold, X beyond it, - missing; drawn oldest first."""
    values = {"0": 0.0, "X": 2.0}
    found = [
        Datapoint(60.0 * at, values[one]) if one in values else None
        for at, one in enumerate(drawn.split())
    ]
    return found[::-1]


def state(drawn: str, needed: int, periods: int, missing: str) -> str:
    rule = Rule("GreaterThanThreshold", 1.0, periods, needed, missing)
    verdict = judge(rule, points(drawn))
    return verdict.state if verdict else KEPT


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ("0 - X - X", ("OK", "OK", "OK", "OK")),
        ("0 - - - -", ("OK", "OK", "OK", "OK")),
        ("- - - - -", (UNKNOWN, KEPT, "ALARM", "OK")),
        ("0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - - - X", (UNKNOWN, KEPT, "ALARM", "OK")),
        ("X - - - -", ("ALARM", KEPT, "ALARM", "OK")),
    ],
)
def test_three_of_three_datapoints(drawn: str, expected: tuple[str, ...]) -> None:
    assert tuple(state(drawn, 3, 3, one) for one in TREATMENTS) == expected


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ("0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", ("OK", "OK", "ALARM", "OK")),
        ("- - - - X", (UNKNOWN, KEPT, "ALARM", "OK")),
    ],
)
def test_two_of_three_datapoints(drawn: str, expected: tuple[str, ...]) -> None:
    assert tuple(state(drawn, 2, 3, one) for one in TREATMENTS) == expected


def test_a_missing_datapoint_counts_only_when_the_whole_range_is_empty() -> None:
    assert state("0 - -", 1, 1, "breaching") == "OK"
    assert state("- - -", 1, 1, "breaching") == "ALARM"


@pytest.mark.parametrize(
    ("comparison", "at_threshold", "above"),
    [
        ("GreaterThanThreshold", "OK", "ALARM"),
        ("GreaterThanOrEqualToThreshold", "ALARM", "ALARM"),
        ("LessThanThreshold", "OK", "OK"),
        ("LessThanOrEqualToThreshold", "ALARM", "OK"),
    ],
)
def test_a_value_is_compared_as_the_operator_says(
    comparison: str, at_threshold: str, above: str
) -> None:
    rule = Rule(comparison, 5.0, 1, 1)
    states = [judge(rule, [Datapoint(0.0, value)]) for value in (5.0, 6.0)]
    assert [one.state for one in states if one] == [at_threshold, above]


def test_the_reason_is_in_the_words_of_aws() -> None:
    rule = Rule("GreaterThanThreshold", 1.0, 1, 1, "breaching")
    alarm, clear, silent = (
        judge(rule, drawn) for drawn in ([Datapoint(0.0, 2.5)], [Datapoint(60.0, 0.5)], [None])
    )
    assert alarm
    assert clear
    assert silent
    assert alarm.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [2.5 (01/01/70 00:00:00)] was greater"
        " than the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert "[0.5 (01/01/70 00:01:00)] was not greater than" in clear.reason
    assert "for ALARM -> OK transition" in clear.reason
    assert silent.reason == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was"
        " treated as [Breaching]."
    )
