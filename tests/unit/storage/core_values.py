"""Arbitrary core values, made from their types, so that a new member is covered the day it is added."""

import dataclasses
import types
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from scheduler.core.model import PolicySpec
from scheduler.core.terms import Price, PriceSlot, PriceState, Target
from scheduler.core.timeline import Interval

numbers = st.floats(allow_nan=False, allow_infinity=False)
instants = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
spans = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=60))
intervals = st.builds(lambda start, span: Interval(start=start, end=start + span), instants, spans)
price_slots = st.builds(
    lambda i, price, state: PriceSlot(start=i.start, end=i.end, per_kwh=price, state=state),
    intervals,
    numbers,
    st.sampled_from(PriceState),
)
targets = st.one_of(
    st.builds(Target, soc_pct=st.floats(0, 100), by=st.none() | instants, why=st.text()),
    st.builds(Target, energy_kwh=st.floats(0, 1e6), by=st.none() | instants, why=st.text()),
)
settings = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**53), 2**53),
        numbers,
        st.text(),
        st.times(),
        st.dates(),
        st.datetimes() | instants,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: numbers,
    str: st.text(max_size=8),
    type(None): st.none(),
    datetime: instants,
    timedelta: st.timedeltas(),
    date: st.dates(),
    time: st.times(),
    Interval: intervals,
    PriceSlot: price_slots,
    Price: st.builds(Price, slots=st.lists(price_slots, max_size=2).map(tuple), why=st.text()),
    Target: targets,
    PolicySpec: st.builds(PolicySpec, name=st.text(), settings=st.dictionaries(st.text(), settings, max_size=3)),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return arbitrary values of a type that the core uses."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(values_of(argument) for argument in arguments))
    if origin is Mapping:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert dataclasses.is_dataclass(kind), f"no idea how to make a {kind}"
    hints = get_type_hints(kind)
    members = {member.name: values_of(hints[member.name]) for member in dataclasses.fields(kind)}
    made: st.SearchStrategy[Any] = st.builds(kind, **members)
    PLAIN[kind] = made
    return made
