"""The plugins that a configuration names, built and ready to be asked."""

from scheduler.config.checks import Installed
from scheduler.config.settings import Settings
from scheduler.plugins import PolicySet, PriceFeed


def policy_sets(settings: Settings, plugins: Installed) -> dict[str, PolicySet]:
    """Return the policies of each home by its id. What cannot be loaded is set aside in them, with why.

    Raises:
        ConfigError: settings that do not fit; `load` has found them before.
    """
    return {home.id: PolicySet.of(home, plugins.policies) for home in settings.homes}


def price_feeds(settings: Settings, plugins: Installed) -> dict[str, PriceFeed]:
    """Return the price sources by their names. One that cannot be loaded is left out; `warnings` names it."""
    feeds: dict[str, PriceFeed] = {}
    for spec in settings.prices:
        plugin = plugins.price_sources.plugin(spec.source)
        if plugin.cls is not None:
            feeds[spec.name] = PriceFeed(name=spec.name, source=plugin.build(spec.settings))
    return feeds
