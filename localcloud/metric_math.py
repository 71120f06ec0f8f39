"""CloudWatch metric math: expressions over time series, as far as alarms and dashboards need it.

Rules for missing values and division by zero are those of the AWS page "Using math expressions
with CloudWatch metrics". Here: arithmetic, comparisons, AND, OR, lists, and the functions of
FUNCTIONS; anything else is refused with its name.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

FUNCTIONS = ("ABS", "AVG", "CEIL", "FILL", "FLOOR", "IF", "MAX", "MIN", "PERIOD", "SUM")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
    | (?P<name>[A-Za-z]\w*)
    | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]])
    )""",
    re.VERBOSE,
)
# From what binds least to what binds most.
_LEVELS = (
    ("||", "OR"),
    ("&&", "AND"),
    ("==", "!=", "<=", ">=", "<", ">"),
    ("+", "-"),
    ("*", "/"),
    ("^",),
)
_WORDS = ("AND", "OR")
_FILLERS = ("REPEAT", "LINEAR")


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
_Evaluated = Callable[[Mapping[str, Series]], Value]


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        result = left**right
    except (ArithmeticError, ValueError):
        return math.nan
    return result if isinstance(result, float) else math.nan


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "^": _power,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "&&": lambda left, right: bool(left) and bool(right),
    "AND": lambda left, right: bool(left) and bool(right),
    "||": lambda left, right: bool(left) or bool(right),
    "OR": lambda left, right: bool(left) or bool(right),
}
_OF_EACH: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_OF_ALL: dict[str, Callable[[list[float]], float]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}


class Expression:
    """One expression, read once and evaluated as often as its metrics change."""

    def __init__(self, text: str) -> None:
        """Read an expression.

        Raises:
            MathError: It cannot be read, or uses what is not here.

        """
        self.names: set[str] = set()
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._evaluate = self._binary(0)
        if self._next < len(self._tokens):
            raise MathError(f"unexpected {self._tokens[self._next][1]!r} in {text!r}")

    def series(self, metrics: Mapping[str, Series]) -> Series:
        """Evaluate the expression to one time series.

        Args:
            metrics: The time series by the ids that the expression names.

        Raises:
            MathError: The result is a number or several series.

        """
        result = self._evaluate(metrics)
        if not isinstance(result, Series):
            raise MathError(f"{self._text!r} does not make one time series")
        return result

    def _sees(self, *texts: str) -> bool:
        if self._next >= len(self._tokens):
            return False
        kind, text = self._tokens[self._next]
        return text in texts and (kind == "operator" or text in _WORDS)

    def _take(self, text: str) -> None:
        if not self._sees(text):
            found = self._tokens[self._next][1] if self._next < len(self._tokens) else "the end"
            raise MathError(f"expected {text!r} instead of {found!r} in {self._text!r}")
        self._next += 1

    def _binary(self, level: int) -> _Evaluated:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._sees(*_LEVELS[level]):
            symbol = self._tokens[self._next][1]
            self._next += 1
            left = _combining(_OPERATORS[symbol], left, self._binary(level + 1))
        return left

    def _unary(self) -> _Evaluated:
        if self._sees("-"):
            self._next += 1
            inner = self._unary()
            return lambda metrics: _each(operator.neg, inner(metrics))
        if self._sees("("):
            self._next += 1
            inner = self._binary(0)
            self._take(")")
            return inner
        if self._sees("["):
            self._next += 1
            members = self._arguments("]")
            return lambda metrics: [member(metrics) for member in members]
        return self._atom()

    def _atom(self) -> _Evaluated:
        if self._next >= len(self._tokens):
            raise MathError(f"{self._text!r} ends too early")
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            return lambda _: float(text)
        if text in _FILLERS:
            return lambda _: text
        if kind != "name":
            raise MathError(f"unexpected {text!r} in {self._text!r}")
        if not self._sees("("):
            self.names.add(text)
            return lambda metrics: _named(metrics, text)
        if text not in FUNCTIONS:
            raise MathError(f"the function {text} is not here: only {', '.join(FUNCTIONS)}")
        self._next += 1
        return _call(text, self._arguments(")"))

    def _arguments(self, end: str) -> list[_Evaluated]:
        found: list[_Evaluated] = []
        while not self._sees(end):
            if found:
                self._take(",")
            found.append(self._binary(0))
        self._take(end)
        return found


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise MathError(f"cannot read {text[at:].strip()!r}")
        kind = str(found.lastgroup)
        yield kind, found[kind]
        at = found.end()


def _named(metrics: Mapping[str, Series], name: str) -> Series:
    if name not in metrics:
        raise MathError(f"no metric has the id {name!r}")
    return metrics[name]


def _like(series: Series, values: Mapping[int, float]) -> Series:
    """Return a series on the same grid; what was divided by zero is dropped."""
    kept = {moment: value for moment, value in values.items() if not math.isnan(value)}
    return Series(kept, series.grid, series.period)


def _each(function: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, list):
        return [_each(function, one) for one in value]
    if isinstance(value, Series):
        return _like(value, {moment: function(one) for moment, one in value.values.items()})
    return float(function(_scalar(value)))


def _scalar(value: Value) -> float:
    if not isinstance(value, int | float):
        raise MathError("a number is needed here")
    return float(value)


def _combining(
    function: Callable[[float, float], float], left: _Evaluated, right: _Evaluated
) -> _Evaluated:
    return lambda metrics: _combined(function, left(metrics), right(metrics))


def _combined(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, list):
        return [_combined(function, one, right) for one in left]
    if isinstance(right, list):
        return [_combined(function, left, one) for one in right]
    if isinstance(left, Series) and isinstance(right, Series):
        # Where only one has a value, the other counts as 0.
        moments = sorted({*left.values, *right.values})
        pairs = ((one, left.values.get(one, 0.0), right.values.get(one, 0.0)) for one in moments)
        return _like(left, {one: float(function(first, second)) for one, first, second in pairs})
    if isinstance(left, Series):
        number = _scalar(right)
        return _each(lambda one: float(function(one, number)), left)
    if isinstance(right, Series):
        number = _scalar(left)
        return _each(lambda one: float(function(number, one)), right)
    return float(function(_scalar(left), _scalar(right)))


def _call(name: str, arguments: list[_Evaluated]) -> _Evaluated:
    least, most = {"FILL": (2, 2), "IF": (2, 3)}.get(name, (1, 1))
    if not least <= len(arguments) <= most:
        raise MathError(f"{name} takes {least} to {most} arguments, not {len(arguments)}")

    def evaluated(metrics: Mapping[str, Series]) -> Value:
        values = [argument(metrics) for argument in arguments]
        if name == "FILL":
            return _fill(values[0], values[1])
        if name == "IF":
            return _if(values[0], values[1], values[2] if len(values) > 2 else None)
        if name == "PERIOD":
            return float(_one_series(values[0]).period)
        if name in _OF_EACH:
            return _each(_OF_EACH[name], values[0])
        return _reduced(_OF_ALL[name], values[0])

    return evaluated


def _one_series(value: Value) -> Series:
    if not isinstance(value, Series):
        raise MathError("a time series is needed here")
    return value


def _reduced(function: Callable[[list[float]], float], value: Value) -> Value:
    """Make one number of a series, one series of several."""
    if isinstance(value, Series):
        return float(function(list(value.values.values()))) if value.values else 0.0
    several = [_one_series(one) for one in value] if isinstance(value, list) else []
    if not several:
        raise MathError("a time series is needed here")
    moments = sorted({moment for one in several for moment in one.values})
    rows = {moment: [one.values.get(moment, 0.0) for one in several] for moment in moments}
    return _like(several[0], {moment: float(function(row)) for moment, row in rows.items()})


def _fill(value: Value, filler: Value) -> Value:
    if isinstance(value, list):
        return [_fill(one, filler) for one in value]
    series = _one_series(value)
    values = dict(series.values)
    for moment in series.grid:
        if moment not in values:
            values[moment] = _filling(series, moment, filler)
    return _like(series, dict(sorted(values.items())))


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


def _if(condition: Value, true: Value, false: Value | None) -> Value:
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
