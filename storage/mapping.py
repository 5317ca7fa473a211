"""Core values as JSON and back, checked: what comes out was built by the core's own types.

An older row loads in a newer program and the other way round: members it does not know are ignored, members it does
not find take their defaults. Home, limits, price series, price terms and calendars are many times larger than
the rest of a situation and change rarely, so a stored situation names them by hash (`situation_refs`) and they are
stored once.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from hashlib import blake2b
from typing import Any, TypeVar, get_type_hints

import msgspec

from scheduler.core.command import ActionReport, Command
from scheduler.core.errors import StoreError
from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Decision, Home, Limits, Override, Situation, VehicleState
from scheduler.core.observation import Reading
from scheduler.core.terms import TERM_TYPES, Price, Stated

T = TypeVar("T")

Lookup = Callable[[str], bytes | None]
"""Returns what was stored once under a hash."""

_Departures = tuple[CalendarDeparture, ...]

TERM_NAMES = {kind: name for name, kind in TERM_TYPES.items()}

_encoder = msgspec.json.Encoder()


class _StoredTerm(msgspec.Struct, frozen=True):
    """A stated term. `term` is the term itself, or the hash of one that is stored once."""

    rank: int
    policy: str
    kind: str
    term: msgspec.Raw


class _Refs(msgspec.Struct, frozen=True):
    """The part of a stored situation that names other things."""

    home: str = ""
    limits: str = ""
    prices: tuple[str, ...] = ()
    departures: str = ""  # empty where there are none
    terms: tuple[_StoredTerm, ...] = ()


def _stored_situation() -> type[msgspec.Struct]:
    """Make the type that a stored situation has: the core's own members, five of them in their stored form."""
    hints = get_type_hints(Situation) | get_type_hints(_Refs)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for member in dataclasses.fields(Situation):
        if member.name == "departures":
            fields.append((member.name, hints[member.name], msgspec.field(default="")))
        elif member.name in {"home", "limits"} or (
            member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING
        ):
            fields.append((member.name, hints[member.name]))
        elif member.default_factory is not dataclasses.MISSING:
            fields.append((member.name, hints[member.name], msgspec.field(default_factory=member.default_factory)))
        else:
            fields.append((member.name, hints[member.name], msgspec.field(default=member.default)))
    return msgspec.defstruct("StoredSituation", fields, kw_only=True, frozen=True)


_StoredSituation = _stored_situation()


class _Codec:
    """Decoders, built once a type."""

    def __init__(self) -> None:
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def read(self, kind: type[T], stored: bytes | str) -> T:
        """Return the value.

        Raises:
            StoreError: what is stored is not one; the text says which member.
        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        try:
            value: T = decoder.decode(stored)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise StoreError(f"a stored {kind.__name__} cannot be read: {error}") from error
        return value

    @staticmethod
    def write(value: object) -> bytes:
        """Return the value as JSON.

        Raises:
            StoreError: it holds what JSON cannot.
        """
        try:
            return _encoder.encode(value)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise StoreError(f"a {type(value).__name__} cannot be stored: {error}") from error


_codec = _Codec()


def digest_of(stored: bytes) -> str:
    """Return the hash under which a value is stored once."""
    return blake2b(stored, digest_size=16).hexdigest()


def encode_state(state: VehicleState) -> bytes:
    """Return a vehicle's state as JSON."""
    return _codec.write(state)


def decode_state(stored: bytes | str) -> VehicleState:
    """Return the state that `encode_state` wrote. Raises StoreError."""
    return _codec.read(VehicleState, stored)


def encode_reading(reading: Reading) -> bytes:
    """Return a reading as JSON."""
    return _codec.write(reading)


def decode_reading(stored: bytes | str) -> Reading:
    """Return the reading that `encode_reading` wrote. Raises StoreError."""
    return _codec.read(Reading, stored)


def encode_report(report: ActionReport) -> bytes:
    """Return news of an action as JSON."""
    return _codec.write(report)


def decode_report(stored: bytes | str) -> ActionReport:
    """Return the report that `encode_report` wrote. Raises StoreError."""
    return _codec.read(ActionReport, stored)


def encode_override(override: Override) -> bytes:
    """Return an override as JSON."""
    return _codec.write(override)


def decode_override(stored: bytes | str) -> Override:
    """Return the override that `encode_override` wrote. Raises StoreError."""
    return _codec.read(Override, stored)


def encode_command(command: Command) -> bytes:
    """Return a command as JSON."""
    return _codec.write(command)


def decode_command(stored: bytes | str) -> Command:
    """Return the command that `encode_command` wrote. Raises StoreError."""
    return _codec.read(Command, stored)


def encode_decision(decision: Decision) -> bytes:
    """Return a decision as JSON."""
    return _codec.write(decision)


def decode_decision(stored: bytes | str) -> Decision:
    """Return the decision that `encode_decision` wrote. Raises StoreError."""
    return _codec.read(Decision, stored)


def encode_home(home: Home) -> bytes:
    """Return a home as JSON. Dates and times among the settings of its policies stay what they are."""
    plain = _shallow(home)
    plain["policies"] = [{"name": p.name, "settings": _tagged(p.settings)} for p in home.policies]
    return _codec.write(plain)


def decode_home(stored: bytes | str) -> Home:
    """Return the home that `encode_home` wrote. Raises StoreError."""
    home = _codec.read(Home, stored)
    try:
        policies = tuple(dataclasses.replace(p, settings=_untagged(p.settings)) for p in home.policies)
    except ValueError as error:
        raise StoreError(f"the policies of a stored home cannot be read: {error}") from error
    return dataclasses.replace(home, policies=policies)


class _Written:
    """Remembers how the values used last were written: the same object gives the same bytes.

    Prices, homes and limits go from situation to situation unchanged, and writing a thousand slots is the dear part.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, tuple[Any, bytes, str]] = OrderedDict()

    def of(self, value: Any, write: Callable[[Any], bytes]) -> tuple[bytes, str]:
        """Return the bytes of a frozen value and their hash. The value is held, so that its identity stays its own."""
        held = self._kept.get(id(value))
        if held is None:
            stored = write(value)
            held = self._kept[id(value)] = (value, stored, digest_of(stored))
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(id(value))
        return held[1], held[2]


_written = _Written(most=256)


def encode_situation(situation: Situation) -> tuple[bytes, dict[str, bytes]]:
    """Return the situation as JSON, and by hash what it names: all that `decode_situation` will ask for."""
    blobs: dict[str, bytes] = {}

    def once(value: Any, write: Callable[[Any], bytes] = _codec.write) -> str:
        stored, digest = _written.of(value, write)
        blobs[digest] = stored
        return digest

    def stored_term(stated: Stated) -> dict[str, Any]:
        term = once(stated.term) if isinstance(stated.term, Price) else stated.term
        kind = TERM_NAMES[type(stated.term)]
        return {"rank": stated.rank, "policy": stated.policy, "kind": kind, "term": term}

    plain = _shallow(situation)
    plain["home"] = once(situation.home, encode_home)
    plain["limits"] = once(situation.limits)
    plain["prices"] = [once(series) for series in situation.prices]
    plain["departures"] = once(situation.departures) if situation.departures else ""
    plain["terms"] = [stored_term(stated) for stated in situation.terms]
    return _codec.write(plain), blobs


def situation_refs(stored: bytes) -> frozenset[str]:
    """Return every hash that a stored situation names. Raises StoreError."""
    refs = _codec.read(_Refs, stored)
    terms = (_codec.read(str, bytes(t.term)) for t in refs.terms if _is_ref(t))
    return frozenset({refs.home, refs.limits, refs.departures, *refs.prices, *terms} - {""})


def decode_situation(stored: bytes, lookup: Lookup) -> Situation:
    """Return the situation that `encode_situation` wrote.

    Raises:
        StoreError: it cannot be read, or something that it names is no longer stored.
    """

    def found(digest: str) -> bytes:
        try:
            blob = lookup(digest)
        except KeyError:
            blob = None
        if blob is None:
            raise StoreError(f"a stored situation names {digest}, which is not stored")
        return blob

    def term(stored_term: _StoredTerm) -> Stated:
        if stored_term.kind not in TERM_TYPES:
            raise StoreError(f"a stored situation holds a term of unknown kind {stored_term.kind!r}")
        body = bytes(stored_term.term)
        if _is_ref(stored_term):
            body = found(_codec.read(str, body))
        value = _codec.read(TERM_TYPES[stored_term.kind], body)
        return Stated(rank=stored_term.rank, policy=stored_term.policy, term=value)

    plain: Any = _codec.read(_StoredSituation, stored)
    members = {name: getattr(plain, name) for name in _StoredSituation.__struct_fields__}
    members["home"] = decode_home(found(plain.home))
    members["limits"] = _codec.read(Limits, found(plain.limits))
    members["prices"] = tuple(_codec.read(PriceSeries, found(digest)) for digest in plain.prices)
    members["departures"] = _codec.read(_Departures, found(plain.departures)) if plain.departures else ()
    members["terms"] = tuple(term(t) for t in plain.terms)
    return Situation(**members)


def _is_ref(stored_term: _StoredTerm) -> bool:
    return bytes(stored_term.term).lstrip()[:1] == b'"'


def _shallow(value: Any) -> dict[str, Any]:
    """Return the members of a dataclass by name, themselves untouched."""
    return {member.name: getattr(value, member.name) for member in dataclasses.fields(value)}


_TAGS: dict[str, type[datetime] | type[date] | type[time]] = {"$datetime": datetime, "$date": date, "$time": time}


def _tagged(value: Any) -> Any:
    """Return a TOML value with its dates and times in a form that JSON can carry and `_untagged` recognises."""
    if isinstance(value, Mapping):
        return {key: _tagged(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(member) for member in value]
    for tag, kind in _TAGS.items():
        if isinstance(value, kind):  # a datetime is a date too, and is asked first
            return {tag: value.isoformat()}
    return value


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(member) for member in value]
    if not isinstance(value, Mapping):
        return value
    for tag, kind in _TAGS.items():
        if value.keys() == {tag}:
            return kind.fromisoformat(value[tag])
    return {key: _untagged(member) for key, member in value.items()}
