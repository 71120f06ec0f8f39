"""CloudWatch metric math: expressions over time series, as far as alarms and dashboards need it.

Here: arithmetic, comparisons, AND, OR, lists, and the functions of metric_functions; anything
else is refused with its name.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping

from localcloud.metric_functions import (
    FILLERS,
    FUNCTIONS,
    OPERATORS,
    MathError,
    Series,
    Value,
    combined,
    each,
)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
    | (?P<name>[A-Za-z]\w*)
    | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]])
    )""",
    re.VERBOSE,
)
_WORDS = ("AND", "OR")
_Evaluated = Callable[[Mapping[str, Series]], Value]


class Expression:
    """One expression, read once.

    Attributes:
        names: The ids of the metrics and expressions that it names.

    """

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
        if level == len(OPERATORS):
            return self._unary()
        left = self._binary(level + 1)
        while self._sees(*OPERATORS[level]):
            symbol = self._tokens[self._next][1]
            self._next += 1
            left = _combining(symbol, level, left, self._binary(level + 1))
        return left

    def _unary(self) -> _Evaluated:
        if self._sees("-"):
            self._next += 1
            inner = self._unary()
            return lambda metrics: each(operator.neg, inner(metrics))
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
        if text in FILLERS:
            return lambda _: text
        if kind != "name":
            raise MathError(f"unexpected {text!r} in {self._text!r}")
        if self._sees("("):
            self._next += 1
            return _call(text, self._arguments(")"))
        self.names.add(text)
        return lambda metrics: _named(metrics, text)

    def _arguments(self, end: str) -> list[_Evaluated]:
        found: list[_Evaluated] = []
        while not self._sees(end):
            if found:
                self._take(",")
            found.append(self._binary(0))
        self._take(end)
        return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise MathError(f"cannot read {text[at:].strip()!r}")
        kind = str(found.lastgroup)
        yield kind, found[kind]
        at = found.end()


def _combining(symbol: str, level: int, left: _Evaluated, right: _Evaluated) -> _Evaluated:
    function = OPERATORS[level][symbol]
    return lambda metrics: combined(function, left(metrics), right(metrics))


def _named(metrics: Mapping[str, Series], name: str) -> Series:
    if name not in metrics:
        raise MathError(f"no metric has the id {name!r}")
    return metrics[name]


def _call(name: str, arguments: list[_Evaluated]) -> _Evaluated:
    if name not in FUNCTIONS:
        raise MathError(f"the function {name} is not here: only {', '.join(FUNCTIONS)}")
    least, most, function = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise MathError(f"{name} takes {least} to {most} arguments, not {len(arguments)}")
    return lambda metrics: function(*(argument(metrics) for argument in arguments))
