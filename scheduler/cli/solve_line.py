"""One line of `kwhen solve`: a foreign format (`rates`, `target`), described in `docs/solve.md`."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import perf_counter_ns
from typing import Annotated

import msgspec

from scheduler.core.charging import ChargeCurve, tapering
from scheduler.core.exercise import Answer, Exercise, Priced, TooLarge, work_out

MOST = 1e9
"""No number may be greater than this: the sums of such numbers are still exact enough."""

DIGITS = 12
"""What is finer than this is rounding noise."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Figure = Annotated[float, msgspec.Meta(ge=-MOST, le=MOST)]
Amount = Annotated[float, msgspec.Meta(ge=0.0, le=MOST)]
Power = Annotated[float, msgspec.Meta(ge=1e-3, le=MOST)]
Point = tuple[Amount, Amount]


class Refused(ValueError):  # noqa: N818 - what happened to the line
    """The line cannot be answered; the text names the member and says what to do."""


class Rate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A price over `[start, end)`."""

    start: Instant
    end: Instant
    value: Figure


class Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One question."""

    now: Instant
    target: Instant
    duration_s: Amount
    rates: tuple[Rate, ...]
    precondition_s: Amount = 0.0
    continuous: bool = False
    start_cost: Amount = 0.0
    power_kw: Power | None = None
    curve: tuple[Point, ...] | None = None


class Stretch(msgspec.Struct, frozen=True):
    """Charge from `start` to `end`."""

    start: datetime
    end: datetime


class Solved(msgspec.Struct, frozen=True):
    """The answer to a line; `unknown_kwh` only where times without a rate had to be used."""

    plan: list[Stretch]
    cost: float
    energy_kwh: float
    shortfall_kwh: float
    ns: int
    unknown_kwh: float | msgspec.UnsetType = msgspec.UNSET


class Failed(msgspec.Struct, frozen=True):
    """The answer to a line that is wrong."""

    error: str


_decoder = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


def answered(text: bytes) -> bytes:
    """Return the answer to one line as JSON; of a line that is wrong, what is wrong with it and what to do."""
    try:
        line = _decoder.decode(text)
        begun_ns = perf_counter_ns()
        answer = work_out(_exercise(line))
        return _encoder.encode(_solved(line, answer, ns=perf_counter_ns() - begun_ns))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _encoder.encode(Failed(error=_explained(str(error))))
    except TooLarge as error:
        why = f"duration_s, rates: {error} are too much to plan at once; ask for less, or join rates of one value"
        return _encoder.encode(Failed(error=why))
    except Refused as error:
        return _encoder.encode(Failed(error=str(error)))
    except OverflowError:
        why = "now, target: out of the years 1 to 9999 in UTC; write instants of our time"
        return _encoder.encode(Failed(error=why))
    except Exception as error:  # noqa: BLE001 - one line must not cost the next its answer
        why = f"line: internal fault, {type(error).__name__}: {error}; please report it with the line"
        return _encoder.encode(Failed(error=why))


def _solved(line: Line, answer: Answer, *, ns: int) -> Solved:
    now = line.now.astimezone(UTC)
    return Solved(
        plan=[
            Stretch(start=now + timedelta(seconds=run.start_s), end=now + timedelta(seconds=run.end_s))
            for run in answer.runs
        ],
        cost=round(answer.cost, DIGITS),
        energy_kwh=round(answer.energy_kwh, DIGITS),
        shortfall_kwh=round(answer.shortfall_kwh, DIGITS),
        ns=ns,
        unknown_kwh=round(answer.unknown_kwh, DIGITS) or msgspec.UNSET,
    )


def _exercise(line: Line) -> Exercise:
    return Exercise(
        target_s=(line.target - line.now).total_seconds(),
        need_s=line.duration_s,
        precondition_s=line.precondition_s,
        once=line.continuous,
        start_cost=line.start_cost,
        curve=_curve(line),
        prices=_prices(line),
    )


def _curve(line: Line) -> ChargeCurve:
    if not line.curve:
        if line.power_kw is None:
            raise Refused("power_kw: missing; give the power in kW, or a curve of [seconds, kWh] points")
        return ChargeCurve.at(line.power_kw)
    try:
        curve = tapering(line.curve)
    except ValueError as error:
        raise Refused(f"curve: {error}; leave out the points that bring nothing new") from error
    if curve.most_kw > MOST:
        raise Refused(f"curve: {curve.most_kw:.3g} kW between two points; check seconds and kWh")
    return curve


def _prices(line: Line) -> tuple[Priced, ...]:
    for index, rate in enumerate(line.rates):
        if rate.end <= rate.start:
            raise Refused(f"rates[{index}].end: does not come after its start; leave empty rates out")
    order = sorted(range(len(line.rates)), key=lambda index: line.rates[index].start)
    for one, other in pairwise(order):
        if line.rates[one].end > line.rates[other].start:
            raise Refused(f"rates[{other}].start: overlaps with rates[{one}]; give one rate for each time")
    return tuple(
        Priced((rate.start - line.now).total_seconds(), (rate.end - line.now).total_seconds(), rate.value)
        for rate in map(line.rates.__getitem__, order)
    )


NEEDED = ", ".join(field.encode_name for field in msgspec.structs.fields(Line) if field.required)
KNOWN = {kind: ", ".join(kind.__struct_fields__) for kind in (Line, Rate)}

REMEDIES = (
    ("missing required", f"every line needs {NEEDED}, every rate start, end and value"),
    ("unknown field", f"a line knows {KNOWN[Line]}; a rate {KNOWN[Rate]}"),
    ("timezone", "end it with Z"),
    ("datetime", "write an instant as 2026-11-22T23:15:00Z"),
    ("`float", f"write a number up to {MOST:.0e}, of the unit that its name ends in"),
    ("out of range", f"write a number up to {MOST:.0e}"),
    ("`bool`", "write true or false"),
    ("length 2", "write each point as [seconds, kWh]"),
    ("Expected `array`", "write a list in [ ]"),
    ("Expected `object`", "write members and values in { }"),
    ("", "write one JSON object a line, without line breaks inside"),
)
"""What to do, by what is in the message."""


def _explained(message: str) -> str:
    """Return the decoder's message with the member first, and what to do."""
    what, _, where = message.partition(" - at `$")
    path = where.removesuffix("`").removeprefix(".")
    named = re.search(r" field `(.+)`$", what, re.DOTALL)
    if named:
        path = f"{path}.{named[1]}" if path else named[1]
        what = "missing required member" if "missing" in what else "unknown member"
    remedy = next(told for part, told in REMEDIES if part in message) if path else REMEDIES[-1][1]
    lowered = what if what.startswith("JSON") else what[:1].lower() + what[1:]
    return f"{path or 'line'}: {lowered}; {remedy}"
