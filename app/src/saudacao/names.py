"""Names for the load probe: valid, and as varied as people's are."""

import itertools
from collections.abc import Iterator

PEOPLE = (
    "Leonardo",
    "Ana",
    "José",
    "João da Silva",
    "Conceição",
    "Zoë",
    "Nguyễn Văn An",
    "Åse",
    "Łukasz",
    "Ștefan",
    "Ελένη",
    "Дмитрий",
    "慧敏",
    "さくら",
    "김민준",
    "देवांश",
    "สมชาย",
    "מִרְיָם",
    "محمد",
    "\u200fنور\u200e",
    "e\u0301lodie",
    "👋🏽",
    "👩‍👩‍👧‍👦",
    "🇧🇷",
    "O'Brien",
    '"; --',
    "<b>Ana</b>",
    "%s {0} $HOME",
    "  Maria  ",
    "1",
    "x" * 256,
    "ã" * 256,
    "🎉" * 256,
)

# The names before the long ones: they leave room for a number.
SHORT = len(PEOPLE) - 3


def varied(given: tuple[str, ...]) -> Iterator[str]:
    """Yield the names given, then others without end, none of them twice."""
    yield from given
    numbered = (f"{PEOPLE[number % SHORT]} {number}" for number in itertools.count())
    yield from (name for name in itertools.chain(PEOPLE, numbered) if name not in given)
