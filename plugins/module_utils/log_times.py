"""Times as journalctl takes them, for logs that are not a host's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from plugins.module_utils.aws_cloud import StackError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WORDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_PART = r"(\d+)\s*([a-z]+)\s*"
_AGO = re.compile(rf"-\s*((?:{_PART})+)|((?:{_PART})+)\bago", re.IGNORECASE)
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M")
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}


def moment(text: str, now: datetime) -> datetime | None:
    """Return the time that a text means, None for an empty one; without a zone it is UTC.

    Raises StackError for words that are not known here.
    """
    text = text.strip()
    if not text:
        return None
    if text == "now":
        return now
    if text in _DAYS:
        return _midnight(now) + timedelta(days=_DAYS[text])
    if re.fullmatch(r"@\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text[1:]), UTC)
    if found := _AGO.fullmatch(text):
        return now - _span(found[1] or found[4], text)
    return _written(text, now)


def _written(text: str, now: datetime) -> datetime:
    plain = text.removesuffix("Z").removesuffix(" UTC").replace("T", " ")
    plain = plain.partition(".")[0]
    for form in _FORMATS:
        try:
            found = datetime.strptime(plain, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        day = _midnight(now) if "%Y" not in form else found
        return found.replace(year=day.year, month=day.month, day=day.day)
    raise _unknown(text)


def _span(text: str, whole: str) -> timedelta:
    seconds = 0
    for number, word in re.findall(_PART, text, re.IGNORECASE):
        if word.lower() not in _WORDS:
            raise _unknown(whole)
        seconds += int(number) * _UNITS[_WORDS[word.lower()]]
    return timedelta(seconds=seconds)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _unknown(text: str) -> StackError:
    return StackError(
        f"The time {text!r} is not one: CloudWatch is asked for times such as '2026-11-25 17:41', "
        "'-10min', 'yesterday'. The hosts themselves take more: add -e from=hosts"
    )
