"""The rules of a name, by the greeter's own function."""

import pytest
from saudacao.errors import InvalidRequestError
from saudacao.greeter import greet


@pytest.mark.parametrize(
    "name", ["Leonardo", "x" * 256, "🎉" * 256, " x ", "\u200fد\u200e", "e\u0301"]
)
def test_a_name_is_greeted_as_it_is_written(name: str) -> None:
    assert greet(name) == f"Olá, {name}!"


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
def test_no_control_character_is_accepted(code: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"U\\+{code:04X} at position 2"):
        greet(f"A{chr(code)}B")


@pytest.mark.parametrize("name", [" ", "\u00a0", "\u3000 \u2003", "\u200b", "\u200d\u200d"])
def test_a_name_that_shows_nothing_is_blank(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="blank"):
        greet(name)


def test_a_refusal_repeats_nothing_of_the_name() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        greet("Fulana\x07")
    assert "Fulana" not in str(caught.value)
