"""A builder of journals for the checker's tests: it writes whole events, a test says only what matters to it."""

from __future__ import annotations

from typing import Any, Self

from scheduler.checker import Checker, Violation, check

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_800_000_000 * SECOND


def minute(minutes: float) -> int:
    """Return the instant so many minutes after the journal's start."""
    return START + round(minutes * MINUTE)


class Thorough(Checker):
    """A checker that shows every event to every rule, whatever kinds the rule names."""

    @classmethod
    def check(cls, events: list[dict[str, Any]]) -> list[Violation]:
        checker = cls()
        for rule in checker._rules:
            rule.judges = rule.learns = None  # type: ignore[misc]
        for event in events:
            checker.feed(event)
        return checker.finish()


class Journal:
    """A journal that grows; every method returns it. Minutes count from its start; `car` is the vehicle spoken of."""

    def __init__(self, **home: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.run, self.node, self._now, self._booted = "run-1", "node-1", 0.0, 0.0
        self._stepped, self._beats = 0.0, 0
        self._hashes: list[Any] = []
        self.conf(**home)

    def at(self, minutes: float) -> Self:
        self._now = minutes
        return self

    def step(self, minutes: float) -> Self:
        """From now on the wall clock shows so much more."""
        self._stepped += minutes
        return self

    def ticks(self, until: float, *, every: float = 1.0, **seen: Any) -> Self:
        """Beat until then; where something is to be seen, the car is read every fifth time."""
        while self._now + every <= until:
            self._now, self._beats = self._now + every, self._beats + 1
            if seen and self._beats % 5 == 0:
                self.obs(**seen)
            self.add("TICK", None, n=self._beats)
        return self.at(until)

    def add(self, k: str, v: str | None = "car", **members: Any) -> Self:
        common = {
            "seq": len(self.events) + 1,
            "t": minute(self._now + self._stepped),
            "m": round((self._now - self._booted) * MINUTE),
        }
        self.events.append({**common, "run": self.run, "node": self.node, "k": k, "v": v, **members})
        return self

    def conf(self, *, params: dict[str, Any] | None = None, car: dict[str, Any] | None = None, **home: Any) -> Self:
        vehicles = [
            {"id": name, "mode": "control", "no_pause": False, "hold_mode": "stop", **(car or {})}
            for name in ("car", "other")
        ]
        default = {
            "id": "home",
            "user": "u",
            "loc": "home",
            "chargers": ["box"],
            "trust": False,
            "kw_max": 11.0,
            "slack": None,
        }
        content = {"params": params or {}, "homes": [{**default, "mode": "control", **home, "vehicles": vehicles}]}
        if content not in self._hashes:
            self._hashes.append(content)
        self.hash = f"h{self._hashes.index(content)}"
        return self.add("CONF", None, hash=self.hash, **content)

    def restart(self, *, read: bool = True, epoch: int = 2) -> Self:
        """A new run begins, with a monotonic clock of its own."""
        self.run, self._booted = f"run-{epoch}", self._now
        self.conf().lease(epoch=epoch)
        return self.obs() if read else self

    def lease(self, *, epoch: int = 1, op: str = "got", exp: int | None = None) -> Self:
        return self.add("LEASE", None, epoch=epoch, op=op, exp=exp)

    def obs(self, v: str = "car", **members: Any) -> Self:
        """An accepted observation: plugged in at home and fresh, unless told otherwise. `age` is in minutes by facet."""
        age = {"charge": 0, "location": 0, "battery": 0, **members.pop("age", {})}
        now = self._now + self._stepped
        ts = {facet: None if old is None else minute(now - old) for facet, old in age.items()}
        default = {
            "src": "poll", "ts": ts, "plugged": True, "charging": None, "kw": 0.0, "soc": 50, "loc": "home", "chg": "box",
            "reach": True, "seen": minute(now), "dig": None, "ok": True, "facets": sorted(ts), "why": None,
            "auth": "signature" if members.get("src") == "webhook" else "api",
        }  # fmt: skip
        return self.add("OBS", v, **{**default, **members})

    def need(self, **members: Any) -> Self:
        default = {
            "target": 80, "soc": 50, "soc_q": "fresh", "kwh": 20.0, "deadline": minute(480), "lst": minute(300),
            "price_q": "full", "min_soc": 20,
        }  # fmt: skip
        return self.add("NEED", **{**default, **members})

    def plan(self, *slots: tuple[float, float]) -> Self:
        return self.add("PLAN", plan="p", slots=[[minute(a), minute(b)] for a, b in slots], by="built-in")

    def sit(self, desired: str) -> Self:
        return self.add("SIT", key="k", desired=desired)

    def alert(self, code: str, op: str = "raised", v: str | None = "car") -> Self:
        return self.add("ALERT", v, code=code, sev="warning", op=op, until=None)

    def prices(self, *spans: tuple[float, float]) -> Self:
        return self.add("PRICE", None, home="home", spans=[[minute(a), minute(b)] for a, b in spans], q="full")

    def intent(self, cmd: str, act: str, why: str = "plan", **members: Any) -> Self:
        seen = [one["seq"] for one in self.events if one["k"] == "OBS" and one["ok"]][-1:]
        default = {"basis": seen, "epoch": int(self.run[-1]), "durable": True, "conf": self.hash, "resume": minute(200)}
        return self.add("INTENT", cmd=cmd, act=act, why=why, **{**default, **members})

    def send(self, cmd: str, act: str = "START", **members: Any) -> Self:
        return self.add("SEND", cmd=cmd, act=act, **members)

    def ack(self, cmd: str, pid: str | None = None) -> Self:
        return self.add("ACK", cmd=cmd, pid=pid or f"action-{cmd}", state="PENDING")

    def result(self, cmd: str, out: str = "verified", *, shown: bool = True, **members: Any) -> Self:
        """The end of a command; one that is verified is shown by a reading a second later, unless told otherwise."""
        sent = next((one for one in self.events if one["k"] == "SEND" and one["cmd"] == cmd), None)
        basis: list[int] = []
        if out == "verified" and shown and sent is not None:
            before = [one for one in self.events if one["k"] == "OBS" and one["v"] == "car" and one["ok"]]
            self._now += 1 / 60
            seen = {k: m for k, m in before[-1].items() if k not in ("seq", "t", "m", "run", "node", "k", "v")}
            ts = {**seen["ts"], "charge": minute(self._now)}
            self.add(
                "OBS",
                **{**seen, "src": "poll", "auth": "api", "ts": ts, "charging": sent["act"] == "START", "kw": None},
            )
            basis = [len(self.events)]
        return self.add("RESULT", cmd=cmd, **{"out": out, "basis": basis, "failure": None, **members})

    def command(self, cmd: str, act: str, why: str = "plan", **members: Any) -> Self:
        """A command that is intended, sent and accepted, all at once."""
        return self.intent(cmd, act, why, **members).send(cmd, act).ack(cmd)

    def start(self, cmd: str = "a", why: str = "plan", **members: Any) -> Self:
        return self.command(cmd, "START", why, **members)

    def stop(self, cmd: str = "a", why: str = "plan", **members: Any) -> Self:
        return self.command(cmd, "STOP", why, **members)

    def ovr(self, will: str = "hold", op: str = "set", **members: Any) -> Self:
        return self.add("OVR", **{"op": op, "will": will, "from": "dashboard", "until": None, **members})

    def truth(
        self, soc: float, *, charging: bool = False, path: bool = True, cause: str | None = None, **m: Any
    ) -> Self:
        default = {"plugged": True, "home": True, "kw": 0.0, "kwh_per_pct": 0.5, "kw_max": 10.0}
        return self.add("TRUTH", **{**default, "soc": soc, "charging": charging, "path": path, "cause": cause, **m})

    def check(self) -> list[Violation]:
        found = check(self.events)
        assert sorted(map(str, found)) == sorted(map(str, Thorough.check(self.events))), (
            "a rule misses a kind of events"
        )
        return found

    def rules(self) -> set[str]:
        """The ids of the rules that it breaks."""
        return {violation.rule for violation in self.check()}


def ready(**home: Any) -> Journal:
    """A journal in which a car, plugged in at home, may be commanded: configured, leased, seen, needing, priced."""
    return Journal(**home).lease().obs().need().prices((0, 1440))
