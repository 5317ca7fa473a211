"""What is installed: plugins by entry point, each with a status."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from scheduler.core.policy import KWHEN_API
from scheduler.plugins.building import SettingsError, build
from scheduler.plugins.isolation import Crashed, Guarded, Hung

POLICIES = "kwhen.policies"
PRICE_SOURCES = "kwhen.price_sources"

OURS = "kwhen"
"""The distribution whose plugins are trusted: they run inline, without a thread and a time-out."""

LOAD_TIMEOUT_S = 10.0
"""How long a stranger's module may take to import, and a policy to be built [s]."""

_METHODS = {POLICIES: "terms", PRICE_SOURCES: "fetch"}


class Status(StrEnum):
    """Whether a plugin may speak."""

    READY = "ready"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point: `cls` is None, and `why` says why, when it is set aside."""

    name: str
    package: str
    group: str = POLICIES
    cls: type | None = None
    why: str = ""

    @property
    def ours(self) -> bool:
        """Tell whether it is one of the built-ins."""
        return self.package == OURS

    @property
    def status(self) -> Status:
        """Whether it may speak."""
        return Status.SET_ASIDE if self.cls is None else Status.READY

    def build(self, settings: Mapping[str, Any]) -> Any:
        """Return an instance with these settings.

        Raises:
            SettingsError: they do not fit, or the class itself refuses them, raises or hangs.
        """
        cls = self.cls
        if cls is None:
            raise SettingsError([("", f"is set aside: {self.why}")])
        if self.ours:
            return build(cls, settings)
        try:
            return Guarded[Any]().run(lambda: build(cls, settings), LOAD_TIMEOUT_S)
        except (Hung, Crashed) as error:
            raise SettingsError([("", f"{error} with these settings")]) from error


class Registry:
    """All plugins of one group, by name. Loads each one once, when it is first asked for."""

    def __init__(
        self, group: str, found: Iterable[EntryPoint] | None = None, *, timeout_s: float = LOAD_TIMEOUT_S
    ) -> None:
        self.group = group
        self._points: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=group) if found is None else found:
            self._points.setdefault(point.name, []).append(point)
        self._loaded: dict[str, Plugin] = {}
        self._timeout_s = timeout_s

    @property
    def names(self) -> tuple[str, ...]:
        """The names in alphabetical order."""
        return tuple(sorted(self._points))

    def plugin(self, name: str) -> Plugin:
        """Return one plugin, loaded or set aside.

        Raises:
            KeyError: nothing of that name is installed.
        """
        if name not in self._loaded:
            self._loaded[name] = _load(self.group, self._points[name], self._timeout_s)
        return self._loaded[name]

    def all(self) -> tuple[Plugin, ...]:
        """Return every plugin, loaded or set aside, by name."""
        return tuple(self.plugin(name) for name in self.names)


def _load(group: str, points: list[EntryPoint], timeout_s: float) -> Plugin:
    """Load the one that may bear the name: ours before a stranger's; of two strangers neither."""
    ours = [point for point in points if _package(point) == OURS]
    point = (ours or points)[0]
    package = _package(point)
    plugin = Plugin(name=point.name, package=package, group=group)
    if not ours and len({(_package(one), one.value) for one in points}) > 1:
        owners = ", ".join(sorted(_package(one) for one in points))
        return _set_aside(plugin, f"several packages bear this name: {owners}; uninstall all but one")
    try:
        loaded = Guarded[Any]().run(point.load, timeout_s)
    except (Hung, Crashed) as error:
        return _set_aside(plugin, f"importing {point.value} {error}")
    why = _unfit(loaded, group)
    if why:
        return _set_aside(plugin, why)
    return Plugin(name=point.name, package=package, group=group, cls=loaded)


def _set_aside(plugin: Plugin, why: str) -> Plugin:
    return Plugin(name=plugin.name, package=plugin.package, group=plugin.group, why=why)


def _unfit(loaded: Any, group: str) -> str:
    """Say why what was loaded cannot be a plugin of the group; empty when it can."""
    method = _METHODS[group]
    speaks = getattr(loaded, "kwhen_api", KWHEN_API)
    if speaks != KWHEN_API:
        return f"it was written for version {speaks!r} of the plugin contract, this is version {KWHEN_API}; update it"
    if not isinstance(loaded, type) or not is_dataclass(loaded):
        return "it is no dataclass, so it cannot be filled from settings"
    body: Callable[..., Any] | None = getattr(loaded, method, None)
    return "" if callable(body) else f"it has no method {method!r}"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"
