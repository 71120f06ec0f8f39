"""Which lines a filter pattern matches; the examples are those of AWS's page."""

import json

import pytest

from localcloud.log_patterns import PatternError, compiled, selected

TRAIL = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "latency": 12.5,
        "code": "500",
        "a.dotted": 1,
        "users": [1, 2],
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "coordinates": [[0, 1, 2], [4, 5, 6]],
        "actions": ["GET", "PUT", "DELETE"],
    }
)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "UpdateTrail" }',
        "{$.eventType=UpdateTrail}",
        "{ $.sourceIPAddress != 123.123.* }",
        "{ $.sourceIPAddress = 111.111.* }",
        '{ $.eventType = "*Trail" }',
        '{ $.eventType = "Up*" }',
        '{ $.eventType = "*date*" }',
        '{ $.arrayKey[0] = "value" }',
        "{ $.objectList[1].id = 2 }",
        "{ $.SomeObject IS NULL }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.ThisFlag IS TRUE }",
        "{ $.latency = * }",
        "{ $.latency > 12 }",
        "{ $.latency >= 12.5 }",
        "{ $.latency < +1.3e1 }",
        "{ $.latency <= 12.5 }",
        "{ $.latency != 12 }",
        "{ $.code = 500 }",
        '{ $.code = "500" }',
        "{ $.code >= 500 }",
        "{ $.['a.dotted'] = 1 }",
        '{ ($.user.id = 1) && ($.actions[1] = "PUT") }',
        '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = no && $.code = no }',
        '{ ($.eventType = "Other") || ($.latency > 1) }',
    ],
)
def test_a_line_matches(pattern: str) -> None:
    assert compiled(pattern)(TRAIL)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "updatetrail" }',
        '{ $.eventType = "Update" }',
        '{ $.eventType = "U*l" }',
        "{ $.sourceIPAddress != 111.* }",
        '{ $.eventType != "UpdateTrail" }',
        "{ $.SomeObject NOT EXISTS }",
        "{ $.eventType IS NULL }",
        "{ $.missing IS NULL }",
        "{ $.ThisFlag IS FALSE }",
        "{ $.ThisFlag = true }",
        "{ $.ThisFlag != false }",
        "{ $.missing = * }",
        '{ $.missing != "x" }',
        "{ $.users = 1 }",
        "{ $.users != 1 }",
        "{ $.arrayKey[7] = * }",
        "{ $.eventType > 1 }",
        "{ $.latency > 12.5 }",
        '{ $.latency = "12" }',
        '{ ($.user.id = 2 && $.actions[0] = "GET") || $.actions[2] = "GET" }',
        "{ ($.user.id = 1 || $.coordinates[0][1] = no) && $.code = no }",
    ],
)
def test_a_line_does_not_match(pattern: str) -> None:
    assert not compiled(pattern)(TRAIL)


@pytest.mark.parametrize("line", ["text", "[1, 2]", "12", '{"event": ', ""])
def test_what_is_no_json_object_matches_no_comparison(line: str) -> None:
    assert not compiled("{ $.event NOT EXISTS }")(line)


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", (1, 2, 3, 4)),
        ("ERROR", (1, 2)),
        ("ERROR WARN", (1,)),
        ("?ERROR ?WARN", (1, 2, 3)),
        ("ERROR ?WARN", (1, 2)),
        ("ERROR -WARN", (2,)),
        ('"ERROR message"', (2,)),
        ('-"ERROR message"', (1, 3, 4)),
        ("error", ()),
        (r'"say \"hi\""', (4,)),
    ],
)
def test_terms_are_looked_for_in_the_text(pattern: str, matching: tuple[int, ...]) -> None:
    lines = ("ERROR WARN message", "ERROR message", "WARN message", 'they say "hi"')
    found = tuple(at for at, line in enumerate(lines, 1) if compiled(pattern)(line))
    assert found == matching


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.event = call",
        "{ }",
        "{ $.event }",
        "{ $.event = }",
        "{ $.event = a b }",
        "{ $.event == 1 }",
        "{ $.event EXISTS }",
        "{ $.event IS NOT }",
        "{ $.event > many }",
        '{ $.event > "1" }',
        '{ event = "call" }',
        '{ ($.event = "call" }',
        '{ $.event = "call" && }',
        '{ $.event = "call" & $.code = 1 }',
        '{ $.event = "call" || || $.code = 1 }',
        "{ $.event = a@b }",
        "{ $.event = %call% }",
        "[ip, user]",
        "{ $.event = " + "x" * 1024 + " }",
        "status:500",
        '"open',
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


def test_a_field_is_selected_by_its_path() -> None:
    assert selected("$.objectList[0].name", TRAIL) == "a"
    assert selected("$.latency", TRAIL) == 12.5
    assert selected("$.objectList[0].other", TRAIL) is None
    assert selected("$.latency", "text") is None
