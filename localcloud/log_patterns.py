"""CloudWatch Logs filter patterns: terms of a text, and comparisons of a JSON line's fields.

The syntax is that of the AWS page "Filter pattern syntax for metric filters, subscription
filters, and filter log events". Not here: space-delimited patterns and regular expressions.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Matches = Callable[[str], bool]
_Test = Callable[[Any], bool]

_LONGEST = 1024
_TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>\w+))(?=\s|$)')
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<selector>\$(?:\.[\w-]+|\[\d+\]|\.?\['[^']+'\])+)
    | (?P<operator>&&|\|\||!=|<=|>=|[()=<>])
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<word>[\w.*+-]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\.?\['([^']+)'\]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MISSING = object()
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda found, wanted: found < wanted,
    ">": lambda found, wanted: found > wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">=": lambda found, wanted: found >= wanted,
}


class PatternError(ValueError):
    """The pattern is none that CloudWatch Logs takes."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Matches:
    """Return a function that says whether a message matches a pattern.

    Args:
        pattern: The filter pattern; an empty one matches every message.

    Raises:
        PatternError: AWS would refuse it, or it is of a kind that is not here.

    """
    text = pattern.strip()
    if len(pattern) > _LONGEST:
        raise PatternError(f"longer than {_LONGEST} characters")
    if text.startswith("{"):
        return _json_pattern(text)
    if text.startswith("[") or "%" in re.sub(r'"[^"]*"', "", text):
        raise PatternError("space-delimited patterns and regular expressions are not simulated")
    return _terms(text)


def is_json(pattern: str) -> bool:
    """Say whether a pattern compares fields, so that a metric may take its value from one."""
    return pattern.strip().startswith("{")


def selected(selector: str, message: str) -> Any:
    """Return the value of a field such as $.latency, None when the message has none.

    Args:
        selector: The field.
        message: The log event's text.

    """
    found = _at(_steps(selector), _parsed(message))
    return None if found is _MISSING else found


def is_selector(text: str) -> bool:
    """Say whether a text names a field of a JSON line."""
    found = _TOKEN.fullmatch(text)
    return bool(found and found["selector"])


def number(value: Any) -> float | None:
    """Return a field's value as a number, None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _terms(text: str) -> Matches:
    signed: dict[str, list[str]] = {"": [], "-": [], "?": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if not found:
            raise PatternError(f"a term with other characters needs quotes: {text[at:].strip()}")
        signed[found["sign"]].append(found["plain"] or _unquoted(found["quoted"]))
        at = found.end()
    wanted, unwanted, either = signed[""], signed["-"], signed["?"]

    def matches(message: str) -> bool:
        if any(term in message for term in unwanted):
            return False
        # Beside other terms, those with a question mark count for nothing.
        if wanted or not either:
            return all(term in message for term in wanted)
        return any(term in message for term in either)

    return matches


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _json_pattern(text: str) -> Matches:
    if not text.endswith("}"):
        raise PatternError("the closing brace is missing")
    test = _Parser(text[1:-1]).parse()

    def matches(message: str) -> bool:
        document = _parsed(message)
        return document is not _MISSING and test(document)

    return matches


@lru_cache(maxsize=64)
def _parsed(message: str) -> Any:
    try:
        document = json.loads(message)
    except ValueError:
        return _MISSING
    return document if isinstance(document, dict) else _MISSING


@lru_cache(maxsize=256)
def _steps(selector: str) -> tuple[str | int, ...]:
    found = _STEP.finditer(selector, 1)
    return tuple(int(one[2]) if one[2] else one[1] or one[3] for one in found)


def _at(steps: tuple[str | int, ...], document: Any) -> Any:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return _MISSING
            document = document[step]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return _MISSING
    return document


class _Parser:
    """Reads what stands between the braces: comparisons, &&, || and parentheses."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0

    def parse(self) -> _Test:
        test = self._either()
        if self._next < len(self._tokens):
            raise PatternError(f"unexpected {self._tokens[self._next][1]}")
        return test

    def _take(self, *kinds: str) -> tuple[str, str]:
        if self._next >= len(self._tokens):
            raise PatternError("it ends too early")
        kind, text = self._tokens[self._next]
        if kind not in kinds and text not in kinds:
            raise PatternError(f"unexpected {text}")
        self._next += 1
        return kind, text

    def _sees(self, text: str) -> bool:
        return self._tokens[self._next : self._next + 1] == [("operator", text)]

    def _either(self) -> _Test:
        tests = [self._both()]
        while self._sees("||"):
            self._next += 1
            tests.append(self._both())
        return lambda document: any(test(document) for test in tests)

    def _both(self) -> _Test:
        tests = [self._one()]
        while self._sees("&&"):
            self._next += 1
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> _Test:
        if self._sees("("):
            self._next += 1
            inner = self._either()
            self._take(")")
            return inner
        steps = _steps(self._take("selector")[1])
        kind, operator = self._take("operator", "word")
        if kind == "word":
            return self._property(steps, operator)
        if operator in _COMPARED:
            return _ordered(steps, _COMPARED[operator], self._take("word")[1])
        if operator not in ("=", "!="):
            raise PatternError(f"unexpected {operator}")
        kind, value = self._take("word", "quoted")
        return _equal(steps, value, operator == "=", numeric=kind == "word")

    def _property(self, steps: tuple[str | int, ...], word: str) -> _Test:
        following = self._take("word")[1]
        if (word, following) == ("NOT", "EXISTS"):
            return lambda document: _at(steps, document) is _MISSING
        wanted = {"NULL": None, "TRUE": True, "FALSE": False}
        if word != "IS" or following not in wanted:
            raise PatternError(f"unexpected {word} {following}")
        return lambda document: _at(steps, document) is wanted[following]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise PatternError(f"cannot be read from here: {text[at:].strip()}")
        kind = str(found.lastgroup)
        yield kind, _unquoted(found[kind]) if kind == "quoted" else found[kind]
        at = found.end()


def _ordered(
    steps: tuple[str | int, ...], holds: Callable[[float, float], bool], text: str
) -> _Test:
    wanted = number(text)
    if wanted is None:
        raise PatternError(f"not a number: {text}")

    def test(document: Any) -> bool:
        found = number(_at(steps, document))
        return found is not None and holds(found, wanted)

    return test


def _equal(steps: tuple[str | int, ...], text: str, wanted: bool, *, numeric: bool) -> _Test:
    amount = number(text) if numeric else None
    # Only what stands before or after an asterisk varies; one in the middle is itself.
    glob = re.escape(text.strip("*"))
    glob = (".*" if text.startswith("*") else "") + glob + (".*" if text.endswith("*") else "")
    alike = re.compile(glob, re.DOTALL)

    def test(document: Any) -> bool:
        found = _at(steps, document)
        # Objects, lists, booleans, null and missing fields equal nothing, nor differ from it.
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            return False
        if amount is not None and number(found) is not None:
            same = number(found) == amount
        else:
            shown = found if isinstance(found, str) else json.dumps(found)
            same = bool(alike.fullmatch(shown))
        return same is wanted

    return test
