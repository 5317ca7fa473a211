"""What every rule is: a judge of events, asked before the event is taken into the record and again after."""

# ruff: noqa: ARG002 - all rules have the same two hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from scheduler.checker.record import Command, Event, Record, Vehicle


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken rule: its id, the `seq` and the vehicle of the event that broke it, and what was wrong."""

    rule: str
    seq: int
    vehicle: str | None
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the violation as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.rule} seq {self.seq} vehicle {self.vehicle or '-'}: {self.text}"


def kinds(words: str) -> frozenset[str]:
    """Return the kinds of events named in a few words."""
    return frozenset(words.split())


class Rule:
    """A rule of the invariants. Subclasses keep what only they need to remember.

    A rule names the kinds of events that it `judges` and `learns` from, so that no other has to pass it; None: all.
    """

    code: ClassVar[str]
    judges: ClassVar[frozenset[str] | None] = None
    learns: ClassVar[frozenset[str] | None] = None

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Return what the event breaks, given all that came before it."""
        return ()

    def learn(self, event: Event, record: Record) -> None:
        """Remember what follows from the event; the record already holds it."""

    def broken(self, event: Event, text: str, *, code: str | None = None) -> Violation:
        """Return the violation of this rule (or of the part of it called `code`) by the event."""
        return Violation(rule=code or self.code, seq=int(event.get("seq", 0)), vehicle=event.get("v"), text=text)


@dataclass(frozen=True, kw_only=True)
class Send:
    """A `SEND` under judgement with the command it belongs to. `command.intent` is None if there never was one."""

    event: Event
    record: Record
    vehicle: Vehicle
    command: Command

    @property
    def why(self) -> str | None:
        """The intent's reason."""
        return self.command.why

    @property
    def is_start(self) -> bool:
        """Whether it lets current flow."""
        return self.command.act == "START"

    @property
    def is_stop(self) -> bool:
        """Whether it ends charging."""
        return self.command.act == "STOP"

    @property
    def at(self) -> int:
        """When it was sent [ns UTC]."""
        return int(self.event["t"])


class SendRule(Rule):
    """A rule about the moment of sending alone."""

    judges = kinds("SEND")

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield what a `SEND` breaks."""
        if event["k"] == "SEND":
            vehicle = record.vehicle(event["v"])
            command = vehicle.commands.get(event["cmd"]) or Command(cmd=event["cmd"], act=event.get("act"))
            yield from self.on_send(Send(event=event, record=record, vehicle=vehicle, command=command))

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield what this send breaks."""
        raise NotImplementedError
