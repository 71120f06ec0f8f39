"""What metric math does with numbers and time series: its operators and functions.

What counts for a missing value, and what a division by zero leaves, are the rules of the AWS page
"Using math expressions with CloudWatch metrics".
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


class MathError(ValueError):
    """The expression is none that CloudWatch takes, or of a kind that is not here."""


@dataclass(frozen=True)
class Series:
    """A metric over time.

    Attributes:
        values: Value by the second in which its period began.
        grid: All such seconds that were asked for, oldest first.
        period: Length of a period in seconds.

    """

    values: Mapping[int, float] = field(default_factory=dict)
    grid: tuple[int, ...] = ()
    period: int = 60


Value = float | Series | str | list["Value"]
_Binary = Callable[[float, float], float]


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        result = left**right
    except ArithmeticError:
        return math.nan
    return result if isinstance(result, float) else math.nan


def _both(left: float, right: float) -> bool:
    return bool(left) and bool(right)


def _either(left: float, right: float) -> bool:
    return bool(left) or bool(right)


# From what binds least to what binds most.
OPERATORS: tuple[dict[str, _Binary], ...] = (
    {"||": _either, "OR": _either},
    {"&&": _both, "AND": _both},
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<=": operator.le,
        ">=": operator.ge,
        "<": operator.lt,
        ">": operator.gt,
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": _divide},
    {"^": _power},
)


def combined(function: _Binary, left: Value, right: Value) -> Value:
    """Apply an operator to two values, moment by moment where one is a time series."""
    if isinstance(left, list):
        return [combined(function, one, right) for one in left]
    if isinstance(right, list):
        return [combined(function, left, one) for one in right]
    if isinstance(left, Series) and isinstance(right, Series):
        # Where only one has a value, the other counts as 0.
        moments = sorted({*left.values, *right.values})
        pairs = ((one, left.values.get(one, 0.0), right.values.get(one, 0.0)) for one in moments)
        return _like(left, {one: float(function(first, second)) for one, first, second in pairs})
    if isinstance(left, Series):
        fixed = _scalar(right)
        return each(lambda one: function(one, fixed), left)
    if isinstance(right, Series):
        fixed = _scalar(left)
        return each(lambda one: function(fixed, one), right)
    return float(function(_scalar(left), _scalar(right)))


def each(function: Callable[[float], float], value: Value) -> Value:
    """Apply a function to a number, or to every value of time series."""
    if isinstance(value, list):
        return [each(function, one) for one in value]
    if isinstance(value, Series):
        return _like(value, {moment: float(function(one)) for moment, one in value.values.items()})
    return float(function(_scalar(value)))


def _like(series: Series, values: Mapping[int, float]) -> Series:
    """Return a series on the same grid; what was divided by zero is dropped."""
    kept = {moment: value for moment, value in values.items() if not math.isnan(value)}
    return Series(kept, series.grid, series.period)


def _scalar(value: Value) -> float:
    if not isinstance(value, int | float):
        raise MathError("a number is needed here")
    return float(value)


def _one_series(value: Value) -> Series:
    if not isinstance(value, Series):
        raise MathError("a time series is needed here")
    return value


def _reduced(function: Callable[[Sequence[float]], float], value: Value) -> Value:
    """Make one number of a series, one series of several."""
    if isinstance(value, Series):
        return float(function([*value.values.values()])) if value.values else 0.0
    several = [_one_series(one) for one in value] if isinstance(value, list) else []
    if not several:
        raise MathError("a time series is needed here")
    moments = sorted({moment for one in several for moment in one.values})
    rows = {moment: [one.values.get(moment, 0.0) for one in several] for moment in moments}
    return _like(several[0], {moment: float(function(row)) for moment, row in rows.items()})


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _fill(value: Value, filler: Value) -> Value:
    if isinstance(value, list):
        return [_fill(one, filler) for one in value]
    series = _one_series(value)
    missing = {
        one: _filling(series, one, filler) for one in series.grid if one not in series.values
    }
    return _like(series, dict(sorted({**series.values, **missing}.items())))


def _filling(series: Series, moment: int, filler: Value) -> float:
    if isinstance(filler, Series):
        return filler.values.get(moment, math.nan)
    if not isinstance(filler, str):
        return _scalar(filler)
    before = max((one for one in series.values if one < moment), default=None)
    after = min((one for one in series.values if one > moment), default=None)
    if before is None:
        return math.nan
    if filler == "REPEAT":
        return series.values[before]
    if after is None:
        return math.nan
    share = (moment - before) / (after - before)
    return series.values[before] + share * (series.values[after] - series.values[before])


def _if(condition: Value, true: Value, false: Value | None = None) -> Value:
    if not isinstance(condition, Series):
        chosen = true if _scalar(condition) else false
        return Series() if chosen is None else chosen
    values = {}
    for moment, holds in condition.values.items():
        if holds:
            values[moment] = _value_at(true, moment, 0.0)
        elif false is not None:
            values[moment] = _value_at(false, moment, math.nan)
    return _like(condition, values)


def _value_at(value: Value, moment: int, missing: float) -> float:
    return value.values.get(moment, missing) if isinstance(value, Series) else _scalar(value)


# What a filler may be beside a number or a series.
FILLERS = ("LINEAR", "REPEAT")
# Each function with the least and the greatest number of its arguments.
FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "ABS": (1, 1, lambda value: each(abs, value)),
    "AVG": (1, 1, lambda value: _reduced(_mean, value)),
    "CEIL": (1, 1, lambda value: each(math.ceil, value)),
    "FILL": (2, 2, _fill),
    "FLOOR": (1, 1, lambda value: each(math.floor, value)),
    "IF": (2, 3, _if),
    "MAX": (1, 1, lambda value: _reduced(max, value)),
    "MIN": (1, 1, lambda value: _reduced(min, value)),
    "PERIOD": (1, 1, lambda value: float(_one_series(value).period)),
    "SUM": (1, 1, lambda value: _reduced(math.fsum, value)),
}
