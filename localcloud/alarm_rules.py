"""In which state an alarm is, given its datapoints: pure, no side effects.

The rules and the words are those of the AWS page "Alarm evaluation", with its two tables of
examples; how many datapoints are looked at beyond the evaluation periods is taken from there too.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

# The AWS page looks at five datapoints for three evaluation periods.
BEYOND = 2

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_FILLED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}


@dataclass(frozen=True)
class Rule:
    """What an alarm compares.

    Attributes:
        comparison: A key of COMPARISONS.
        threshold: What a value is compared with.
        periods: How many datapoints count.
        needed: How many of them must breach.
        missing: What stands for a missing datapoint: missing, ignore, breaching, notBreaching.

    """

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"


@dataclass(frozen=True)
class Datapoint:
    """The value of one period.

    Attributes:
        start: When the period began, in seconds since the epoch.
        value: Its value.

    """

    start: float
    value: float


@dataclass(frozen=True)
class Verdict:
    """A state and why.

    Attributes:
        state: OK, ALARM or INSUFFICIENT_DATA.
        reason: AWS's words.
        recent: The datapoints that decided, newest first.

    """

    state: str
    reason: str
    recent: tuple[Datapoint, ...] = ()


def judge(rule: Rule, points: Sequence[Datapoint | None]) -> Verdict | None:
    """Decide an alarm's state.

    Args:
        rule: What the alarm compares.
        points: The datapoints of the evaluation range, newest first; None for a missing one.

    Returns:
        The state, or None to keep the one it is in.

    """
    breaches, _ = COMPARISONS[rule.comparison]
    real = [point for point in points if point is not None][: rule.periods]
    breaching = sum(breaches(point.value, rule.threshold) for point in real)
    lacking = rule.periods - len(real)
    if lacking and rule.missing in _FILLED:
        filled = lacking if rule.missing == "breaching" else 0
        state = "ALARM" if breaching + filled >= rule.needed else "OK"
        return Verdict(state, _reason(rule, state, real, lacking), tuple(real))
    if breaching >= rule.needed:
        return Verdict("ALARM", _reason(rule, "ALARM", real), tuple(real))
    if not lacking or breaching < len(real):
        return Verdict("OK", _reason(rule, "OK", real), tuple(real))
    if rule.missing == "ignore":
        return None
    oldest = max((age for age, point in enumerate(points, 1) if point is not None), default=0)
    if real and oldest >= rule.needed:
        return Verdict("ALARM", _reason(rule, "ALARM", real), tuple(real))
    unknown = f"{lacking} datapoint{'s were' if lacking > 1 else ' was'} unknown."
    return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {unknown}", tuple(real))


def _reason(rule: Rule, state: str, real: Sequence[Datapoint], filled: int = 0) -> str:
    if not real:
        return (
            f"Threshold Crossed: no datapoints were received for {_many(rule.periods, 'period')}"
            f" and {_many(filled, 'missing datapoint')} {_were(filled)} treated as"
            f" [{_FILLED[rule.missing]}]."
        )
    breaches, words = COMPARISONS[rule.comparison]
    telling = [one for one in real if breaches(one.value, rule.threshold) is (state == "ALARM")]
    telling = telling or list(real)
    values = ", ".join(f"{one.value} ({_written(one.start)})" for one in telling)
    other = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    enough = rule.needed if state == "ALARM" else rule.periods - rule.needed + 1
    also = ""
    if filled:
        also = (
            f" and {_many(filled, 'missing datapoint')} {_were(filled)} treated as"
            f" [{_FILLED[rule.missing]}]"
        )
    return (
        f"Threshold Crossed: {len(telling)} out of the last {rule.periods} datapoints"
        f" [{values}] {_were(len(telling))} {'' if state == 'ALARM' else 'not '}{words}"
        f" the threshold ({rule.threshold}){also}"
        f" (minimum {_many(enough, 'datapoint')} for {other} transition)."
    )


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d/%m/%y %H:%M:%S")
