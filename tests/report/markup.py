"""What an HTML text is made of, as a parser sees it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "path", "img", "input"}


class Markup(HTMLParser):
    """The elements of a page with their attributes, its words, and how they are nested."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.badly_nested: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.badly_nested += self._open

    @property
    def text(self) -> str:
        """The words, without the style sheet."""
        return " ".join(" ".join(self.words).split())

    def attributes(self, *names: str) -> list[str]:
        """The values of some attributes, of all elements."""
        return [values[name] for _, values in self.elements for name in names if name in values]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.badly_nested.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)
