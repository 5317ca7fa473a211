"""The plan over the price curve as a small inline SVG: bars are prices, filled where the car charges."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from scheduler.core.calendar import zone_named

WIDTH, HEIGHT = 640, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 26, 22

UNIT_Y = 11
"""The unit stands above the scale, and so above every line that the chart draws."""

SHORTEST, LONGEST = timedelta(hours=12), timedelta(hours=36)
"""How much time the chart covers."""

LEAD = timedelta(hours=1)
"""The chart begins so long before now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A span with its price (None: not known)."""

    start: datetime
    end: datetime
    per_kwh: float | None
    published: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Which times and prices the chart covers."""

    start: datetime
    end: datetime
    low: float
    high: float

    def x(self, at: datetime) -> float:
        """Return where an instant lies."""
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, per_kwh: float) -> float:
        """Return where a price lies."""
        share = (per_kwh - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def svg(plan: dict[str, Any]) -> str:
    """Return the chart of a plan view; empty when it has neither slots nor prices."""
    slots, prices = _bars(plan["slots"]), _bars(plan["prices"])
    if not slots and not prices:
        return ""
    now = datetime.fromisoformat(plan["now"])
    due = [datetime.fromisoformat(need["by"]) for need in plan["needs"] if need["by"]]
    frame = _frame(now, slots, prices, due)
    parts = [_scale(frame, plan["currency"])]
    parts += [_rect(frame, bar, "price" if bar.published else "price expected") for bar in prices]
    parts += [_rect(frame, bar, "charge" if bar.published else "charge expected") for bar in slots]
    parts += [_line(frame, at, "due") for at in due if frame.start < at < frame.end]
    parts += [_line(frame, now, "now"), _hours(frame, plan["timezone"])]
    title = escape(f"Prices and planned charging of {plan['name']}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
        f"{''.join(parts)}</svg>"
    )


def _bars(spans: list[dict[str, Any]]) -> list[Bar]:
    return [
        Bar(
            start=datetime.fromisoformat(span["start"]),
            end=datetime.fromisoformat(span["end"]),
            per_kwh=span["price_per_kwh"],
            published=span["published"],
        )
        for span in spans
    ]


def _frame(now: datetime, slots: list[Bar], prices: list[Bar], due: list[datetime]) -> Frame:
    start = now - LEAD
    wanted = max([now + SHORTEST, *(bar.end for bar in slots), *(at + LEAD for at in due)])
    end = min(wanted, start + LONGEST)
    shown = [
        bar.per_kwh for bar in (*slots, *prices) if bar.per_kwh is not None and bar.end > start and bar.start < end
    ]
    low, high = min([0.0, *shown]), max([0.0, *shown])
    return Frame(start=start, end=end, low=low, high=high if high > low else low + 1.0)


def _rect(frame: Frame, bar: Bar, kind: str) -> str:
    """Draw one bar from the zero line to its price; a bar without a price takes the whole height."""
    left, right = frame.x(bar.start), frame.x(bar.end)
    if right - left <= 0:
        return ""
    zero, top = frame.y(0.0), frame.y(frame.high if bar.per_kwh is None else bar.per_kwh)
    height = max(abs(zero - top), 1.0)
    at = f'x="{left:.1f}" y="{min(zero, top):.1f}" width="{max(right - left - 0.5, 0.5):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {at}/>'


def _line(frame: Frame, at: datetime, kind: str) -> str:
    x = frame.x(at)
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>'


def _scale(frame: Frame, currency: str) -> str:
    told = sorted({frame.low, 0.0, frame.high})
    labels = "".join(f'<text x="{LEFT - 6}" y="{frame.y(v) + 4:.1f}" class="right">{v:.2f}</text>' for v in told)
    zero = frame.y(0.0)
    axis = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
    unit = f'<text x="0" y="{UNIT_Y}" class="unit">{escape(currency)}/kWh</text>'
    return f"{axis}{labels}{unit}"


def _hours(frame: Frame, timezone: str) -> str:
    """Label every third local hour, or every sixth when there are many."""
    zone = zone_named(timezone)
    step = 3 if frame.end - frame.start <= timedelta(hours=18) else 6
    at = frame.start.replace(minute=0, second=0, microsecond=0)
    labels = []
    while at < frame.end:
        there = at.astimezone(zone)
        if at > frame.start and there.hour % step == 0 and there.minute == 0:
            labels.append(f'<text x="{frame.x(at):.1f}" y="{HEIGHT - 6}" class="middle">{there:%H:%M}</text>')
        at += timedelta(minutes=15)
    return "".join(labels)
