"""Nothing lost, nothing doubled: what a store says, against what is known from outside. Each function yields faults."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scheduler.checker import check
from scheduler.checker.liveness import Recovery
from scheduler.checker.reading import PACE, RULES
from scheduler.checker.record import Command, Event, Record
from scheduler.checker.rule import Violation
from scheduler.checker.verified import Verified
from tests.campaign.kills.evidence import Evidence
from tests.campaign.kills.town import Ledger, Sent

Line = Mapping[str, Any]


class KeptAlerts(Recovery):
    """The half of L10 that a hurried clock does not hinder: no alert that stands is raised anew by another run."""

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield an alert that an earlier run had raised already."""
        if event["k"] == "ALERT":
            yield from self._raised_again(event, record)


class Shown(Verified):
    """The half of L4 that a pause of a process does not hinder: what is verified was seen. Every command has its end."""

    def _overdue(self, command: Command, event: Event, record: Record) -> Iterator[Violation]:
        yield from ()


def after_a_death(before: Evidence | None, now: Evidence, ledger: Ledger) -> Iterator[str]:
    """Judge what a daemon left behind."""
    if now.integrity != "ok":
        yield f"integrity: {now.integrity}"
    for run, first, last, count in now.gaps:
        yield f"the journal of run {run} has {count} lines from {first} to {last}"
    for table, keys in before.keys.items() if before is not None else ():
        if gone := keys - now.keys[table]:
            yield f"L10: {len(gone)} rows of {table} are gone, one is {min(gone)}"
    yield from _kept(now, ledger)


def _kept(now: Evidence, ledger: Ledger) -> Iterator[str]:
    """Find what was acknowledged, or came to the provider, and is not kept."""
    known = {key for (key,) in now.keys["seen_event"]}
    if lost := ledger.delivered.keys() - known:
        yield f"W13: {len(lost)} events were answered 2xx and are not kept, one is {min(lost)}"
    kept = now.wishes()
    for wish in ledger.wished:
        if wish.will != "auto" and (wish.vehicle_id, wish.set_at) not in kept:
            yield f"L10: a wish was acknowledged and is not kept: {wish}"
    asked = Counter(one.vehicle_id for one in ledger.sent)
    for vehicle_id, count in asked.items():
        if count > now.sends.get(vehicle_id, 0):
            yield f"S5: {count} commands for {vehicle_id} have come, and {now.sends.get(vehicle_id, 0)} SENDs are kept"


def in_the_end(lines: Sequence[Line], ledger: Ledger, evidence: Evidence) -> Iterator[str]:
    """Judge a whole life once everything has come to rest."""
    if evidence.work_waiting:
        yield f"W13: {evidence.work_waiting} pieces of work were never done"
    yield from _commands(lines)
    yield from _effects(lines, ledger.sent)
    yield from _applied(lines, ledger.delivered)
    told = sorted([*lines, *ledger.truths], key=lambda line: int(line["t"]))
    rules = [rule for rule in RULES if rule not in (*PACE, Verified)]
    yield from (str(one) for one in check(told, rules=[*rules, KeptAlerts, Shown]))


def _commands(lines: Iterable[Line]) -> Iterator[str]:
    count: dict[str, Counter[str]] = {kind: Counter() for kind in ("INTENT", "SEND", "RESULT")}
    for line in lines:
        if line["k"] in count:
            count[line["k"]][line["cmd"]] += 1
    for cmd in sorted(set().union(*count.values())):
        if count["INTENT"][cmd] != 1:
            yield f"S5: command {cmd} has {count['INTENT'][cmd]} INTENTs"
        if count["RESULT"][cmd] != 1:
            yield f"S5: command {cmd} has {count['RESULT'][cmd]} RESULTs"


def _effects(lines: Iterable[Line], sent: Iterable[Sent]) -> Iterator[str]:
    """Find for each command that came to the provider the SEND it came from, which is the last one before it."""
    sends: dict[str, list[Line]] = {}
    for line in lines:
        if line["k"] == "SEND":
            sends.setdefault(line["v"], []).append(line)
    asked: dict[tuple[int, int], list[Sent]] = {}
    actions: dict[str, set[str]] = {}
    for one in sent:
        last = next((line for line in reversed(sends.get(one.vehicle_id, ())) if line["t"] <= one.at), None)
        if last is None or last["act"] != one.act:
            yield f"S5: a command came, and the last to be sent before it was {last and last['act']}: {one}"
            continue
        asked.setdefault((last["run"], last["seq"]), []).append(one)
        if one.action is not None:
            actions.setdefault(last["cmd"], set()).add(one.action)
    yield from (
        f"S6: the SEND {place} came {len(came)} times: {came}" for place, came in asked.items() if len(came) > 1
    )
    yield from (f"S6: command {cmd} became {len(made)} actions" for cmd, made in actions.items() if len(made) > 1)


def _applied(lines: Iterable[Line], delivered: Mapping[str, str]) -> Iterator[str]:
    times = Counter(line.get("dig") for line in lines if line["k"] == "OBS" and line["src"] == "webhook")
    for digest, vehicle_id in delivered.items():
        if vehicle_id and times[digest] != 1:
            yield f"S17: an event of {vehicle_id} was applied {times[digest]} times: {digest}"
