"""The policies of one home: asked for their terms each cycle; one that fails is set aside, the others are heard."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar, cast

import structlog

from scheduler.core.errors import ConfigError, KwhenError
from scheduler.core.model import Home, PolicySpec, Situation
from scheduler.core.policy import MOST_TERMS, Policy, nonsense_in
from scheduler.core.terms import Stated, Term
from scheduler.plugins.building import SettingsError, nearest
from scheduler.plugins.isolation import Crashed, Guarded, described
from scheduler.plugins.registry import Registry, Status

TIMEOUT_S = 2.0
"""How long a stranger's policy may think, in real time [s]. The daemon's loop goes on meanwhile."""

PATIENCE = 5
"""After so many failures in a row a policy is not asked again until the configuration is reloaded."""

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(kw_only=True)
class Speaker:
    """One policy of one home, and what became of it lately. `policy` is None when it could not be loaded."""

    label: str
    rank: int
    policy: Policy | None
    trusted: bool = True
    failures: int = 0
    why: str = ""
    _guard: Guarded[Any] = field(default_factory=Guarded, repr=False)

    @property
    def disabled(self) -> bool:
        """Tell whether it is asked no more."""
        return self.policy is None or self.failures >= PATIENCE

    @property
    def status(self) -> Status:
        """Whether it was heard the last time."""
        return Status.SET_ASIDE if self.why else Status.READY

    async def speak(self, situation: Situation, *, timeout_s: float) -> tuple[Stated, ...]:
        """Return its terms; none, with `why` set, when it is set aside for this cycle or for good."""
        policy = self.policy
        if policy is None or self.disabled:
            return ()
        try:
            terms = await self._asked(policy, situation, timeout_s)
        except KwhenError as error:
            self._failed(str(error))
            return ()
        if self.why:
            log.info("policy.heard_again", policy=self.label)
        self.failures, self.why = 0, ""
        return tuple(Stated(rank=self.rank, policy=self.label, term=term) for term in terms)

    async def asked(self, question: Callable[[Policy], T], *, timeout_s: float) -> T | None:
        """Put a question of somebody's who only looks: None when it fails, of which nothing is remembered."""
        policy = self.policy
        if policy is None or self.disabled:
            return None
        try:
            if self.trusted:
                return question(policy)
            loop, guarded = asyncio.get_running_loop(), self._guard.run
            return cast("T", await loop.run_in_executor(None, guarded, lambda: question(policy), timeout_s))
        except Exception as error:  # noqa: BLE001 - what it is set aside for in its next cycle is told there
            log.debug("policy.not_heard", policy=self.label, why=described(error))
            return None

    async def _asked(self, policy: Policy, situation: Situation, timeout_s: float) -> list[Term]:
        if self.trusted:
            try:
                return list(policy.terms(situation))
            except Exception as error:
                raise Crashed(f"raised {described(error)}") from error
        # The loop of the virtual clock counts the jobs of its executor, so time stands still while a stranger thinks.
        shown = for_strangers(situation)
        terms: list[Term] = await asyncio.get_running_loop().run_in_executor(
            None, self._guard.run, lambda: _checked(policy, shown), timeout_s
        )
        return terms

    def _failed(self, why: str) -> None:
        self.failures += 1
        if self.failures >= PATIENCE:
            why = f"{why}; not asked again until the configuration is reloaded, after {self.failures} failures in a row"
        if why != self.why:
            log.warning("policy.set_aside", policy=self.label, why=why, failures=self.failures)
        self.why = why


class PolicySet:
    """The policies of one home in the order of its configuration, which is their precedence."""

    def __init__(self, speakers: Iterable[Speaker], *, timeout_s: float = TIMEOUT_S) -> None:
        self.speakers = tuple(speakers)
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, home: Home, registry: Registry, *, timeout_s: float = TIMEOUT_S) -> "PolicySet":
        """Build the policies of a home. One whose package cannot be loaded is set aside; the others speak.

        Raises:
            ConfigError: a policy is not installed, or its settings do not fit; every problem at once.
        """
        speakers: list[Speaker] = []
        problems: list[str] = []
        for rank, (label, spec) in enumerate(zip(_labels(home.policies), home.policies, strict=True)):
            try:
                speakers.append(_speaker(rank, label, spec, registry))
            except SettingsError as error:
                problems.extend(f"home {home.id}, policy {label}: {': '.join(p).strip(': ')}" for p in error.problems)
        if problems:
            raise ConfigError(problems)
        return cls(speakers, timeout_s=timeout_s)

    async def terms(self, situation: Situation) -> tuple[tuple[Stated, ...], tuple[str, ...]]:
        """Ask every policy about a situation.

        Returns:
            What was stated, in precedence order, and one sentence for each policy that was set aside, with why.
        """
        asked = [speaker.speak(situation, timeout_s=self._timeout_s) for speaker in self.speakers]
        stated = (
            await asyncio.gather(*asked)
            if any(not one.trusted for one in self.speakers)
            else [await one for one in asked]
        )
        return tuple(term for terms in stated for term in terms), self.set_aside

    @property
    def set_aside(self) -> tuple[str, ...]:
        """One sentence for each policy that is set aside now."""
        return tuple(f"{speaker.label}: {speaker.why}" for speaker in self.speakers if speaker.why)


def for_strangers(situation: Situation) -> Situation:
    """Return the situation as third parties may see it: values only, without the settings of other policies."""
    return replace(situation, home=replace(situation.home, policies=()), terms=(), set_aside=())


def _checked(policy: Policy, situation: Situation) -> list[Term]:
    """Ask and examine, all inside the thread of a stranger: its iterator and its values are its own code too."""
    terms: list[Any] = list(islice(policy.terms(situation), MOST_TERMS + 1))
    if why := nonsense_in(terms, at=situation.at):
        raise Crashed(why)
    return terms


def _speaker(rank: int, label: str, spec: PolicySpec, registry: Registry) -> Speaker:
    if spec.name not in registry.names:
        raise SettingsError([("", f"no policy of this name is installed; {nearest(spec.name, registry.names)}")])
    plugin = registry.plugin(spec.name)
    if plugin.cls is None:
        log.warning("policy.set_aside", policy=label, why=plugin.why)
        return Speaker(label=label, rank=rank, policy=None, trusted=plugin.ours, why=plugin.why)
    return Speaker(label=label, rank=rank, policy=plugin.build(spec.settings), trusted=plugin.ours)


def _labels(specs: Sequence[PolicySpec]) -> list[str]:
    """Name each policy of a home once: the second `ready-by` is `ready-by-2`. Overdue targets are kept by this name."""
    labels: list[str] = []
    for index, spec in enumerate(specs):
        before = sum(one.name == spec.name for one in specs[:index])
        labels.append(f"{spec.name}-{before + 1}" if before else spec.name)
    return labels
