"""Plots as inline SVG: shapes only, stretched to any width, with their words as HTML around them.

Text inside of an SVG shrinks with it, which a phone makes unreadable. So the picture has none: the
numbers beside the axes and the flags of the marks are HTML that is placed by percentages.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SIZE = 1000
# Marks that are nearer to each other than this share of the width get one flag.
NEAR = 0.07
TIME_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    172800, 604800,
)  # fmt: skip
A_DAY_OR_SO = 36 * 3600


@dataclass(frozen=True)
class Series:
    """Values at moments; `style` is the class of its shape, `None` a moment without a value."""

    name: str
    style: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Mark:
    """A moment that is marked, with the text of its flag."""

    at: float
    flag: str


@dataclass(frozen=True)
class Plot:
    """A picture of series over time.

    `title` and `words` are its text alternative. Stacked series have a value for each slice of
    `width` seconds, or less where the next one begins; others are lines over a logarithmic axis.
    `zero` makes times relative to it.
    """

    name: str
    title: str
    words: str
    begin: float
    end: float
    series: Sequence[Series]
    width: float = 0
    unit: str = ""
    marks: Sequence[Mark] = field(default_factory=list)
    zero: float | None = None
    missing_until: float | None = None

    @property
    def stacked(self) -> bool:
        """Whether the series lie on each other."""
        return self.width > 0

    def x(self, at: float) -> float:
        """Return how far a moment is from the left, as a share of the width."""
        return min(1.0, max(0.0, (at - self.begin) / ((self.end - self.begin) or 1)))

    def html(self) -> Markup:
        """Return the picture with its axes."""
        axis = linear(self._highest()) if self.stacked else logarithmic(self._values())
        shapes = self._stack(axis) if self.stacked else self._lines(axis)
        grid = "".join(f"M0 {_number(SIZE * (1 - share))}h{SIZE}" for _, share in axis.ticks)
        marks = "".join(f"M{_number(SIZE * self.x(mark.at))} 0v{SIZE}" for mark in self.marks)
        missing = Markup()
        if self.missing_until is not None and self.missing_until > self.begin:
            far = _number(SIZE * self.x(self.missing_until))
            missing = Markup('<path class="missing" d="M0 0h{0}v{1}h-{0}z"/>').format(far, SIZE)
        return Markup(
            '<div class="plot">{flags}<div class="frame">{ys}'
            '<svg viewBox="0 0 {size} {size}" preserveAspectRatio="none" role="img"'
            ' aria-labelledby="{name}-title {name}-words"><title id="{name}-title">{title}</title>'
            '<desc id="{name}-words">{words}</desc>{missing}<path class="grid" d="{grid}"/>{shapes}'
            '<path class="mark" d="{marks}"/></svg></div>{xs}</div>'
        ).format(
            flags=self._flags(), ys=self._ys(axis), xs=self._xs(), size=SIZE, name=self.name,
            title=self.title, words=self.words, missing=missing, grid=grid, shapes=shapes,
            marks=marks,
        )  # fmt: skip

    def _values(self) -> list[float]:
        return [value for one in self.series for _, value in one.points if value is not None]

    def _highest(self) -> float:
        sums: dict[float, float] = {}
        for one in self.series:
            for at, value in one.points:
                sums[at] = sums.get(at, 0) + (value or 0)
        return max(sums.values(), default=0)

    def _stack(self, axis: Axis) -> Markup:
        shapes = Markup()
        floor: dict[float, float] = {}
        moments = sorted({at for one in self.series for at, _ in one.points})
        following = dict(itertools.pairwise(moments))
        for one in self.series:
            path = ""
            for at, value in one.points:
                low = floor.get(at, 0.0)
                floor[at] = low + (value or 0)
                if value:
                    until = min(at + self.width, following.get(at, math.inf))
                    left, right = SIZE * self.x(at), SIZE * self.x(until)
                    top, bottom = (SIZE * (1 - axis.share(y)) for y in (floor[at], low))
                    path += f"M{_number(left)} {_number(bottom)}V{_number(top)}"
                    path += f"H{_number(right)}V{_number(bottom)}z"
            shapes += Markup('<path class="area {}" d="{}"/>').format(one.style, path)
        return shapes

    def _lines(self, axis: Axis) -> Markup:
        shapes = Markup()
        for one in self.series:
            path, drawing = "", False
            for at, value in one.points:
                if value is None:
                    drawing = False
                    continue
                x, y = SIZE * self.x(at), SIZE * (1 - axis.share(value))
                # A value between two gaps is a line without a length, which its round ends show.
                path += f"{'L' if drawing else 'M'}{_number(x)} {_number(y)}"
                path += "" if drawing else "h0"
                drawing = True
            shapes += Markup('<path class="line {}" d="{}"/>').format(one.style, path)
        return shapes

    def _ys(self, axis: Axis) -> Markup:
        ticks = Markup().join(
            Markup('<li style="bottom:{:.1f}%">{}</li>').format(100 * share, short(value))
            for value, share in axis.ticks
        )
        return Markup('<ol class="ys" aria-hidden="true">{}</ol>').format(ticks)

    def _xs(self) -> Markup:
        ticks = Markup().join(
            Markup('<li style="left:{:.2f}%"{}>{}</li>').format(
                100 * self.x(at), Markup(' class="minor"') if number % 2 else "", label
            )
            for number, (at, label) in enumerate(self._moments())
        )
        return Markup('<ol class="xs" aria-hidden="true">{}</ol>').format(ticks)

    def _moments(self) -> list[tuple[float, str]]:
        span, zero = self.end - self.begin, self.zero or 0.0
        step = next((one for one in TIME_STEPS if span / one <= 8), TIME_STEPS[-1])
        first = math.ceil((self.begin - zero) / step) * step + zero
        moments = [first + step * number for number in range(int(span / step) + 1)]
        label = self._seconds if self.zero is not None else self._clock
        return [(at, label(at)) for at in moments if 0.02 <= self.x(at) <= 0.98]

    def _seconds(self, at: float) -> str:
        return f"{at - (self.zero or 0):.0f} s"

    def _clock(self, at: float) -> str:
        form = "%H:%M" if self.end - self.begin <= A_DAY_OR_SO else "%-d %b %H:%M"
        return datetime.fromtimestamp(at, UTC).strftime(form)

    def _flags(self) -> Markup:
        flags = Markup()
        for group in _near(sorted(self.marks, key=lambda mark: mark.at), self.x):
            text = group[0].flag if len(group) == 1 else f"{group[0].flag}-{group[-1].flag}"
            middle = (self.x(group[0].at) + self.x(group[-1].at)) / 2
            flags += Markup('<li style="left:{:.2f}%">{}</li>').format(100 * middle, text)
        return Markup('<ol class="flags" aria-hidden="true">{}</ol>').format(flags)


@dataclass(frozen=True)
class Axis:
    """A vertical axis: the values that are labelled, and where any value is on it."""

    share: Callable[[float], float]
    ticks: list[tuple[float, float]]


def linear(highest: float) -> Axis:
    """Return an axis from nothing to a round number that is not below `highest`."""
    size = 10.0 ** math.floor(math.log10(highest / 3)) if highest > 0 else 1.0
    step = next(size * n for n in (1, 2, 5, 10) if highest <= 4 * size * n)
    # There is no half of a call.
    step = max(step, 1.0)
    top = step * max(1, math.ceil(highest / step))
    values = [step * number for number in range(round(top / step) + 1)]
    return Axis(lambda value: value / top, [(value, value / top) for value in values])


def logarithmic(values: Iterable[float]) -> Axis:
    """Return an axis of whole powers of ten around `values`."""
    logs = [math.log10(value) for value in values if value > 0] or [0.0]
    low = math.floor(min(logs))
    high = max(low + 1, math.ceil(max(logs)))
    ticks = [(10.0**power, (power - low) / (high - low)) for power in range(low, high + 1)]
    return Axis(lambda value: (math.log10(value) - low) / (high - low) if value > 0 else 0.0, ticks)


def short(value: float) -> str:
    """Return a number in few characters, such as 0.1, 250, 1.5k or 20M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _near(marks: Sequence[Mark], x: Callable[[float], float]) -> list[list[Mark]]:
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and x(mark.at) - x(groups[-1][0].at) < NEAR:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
