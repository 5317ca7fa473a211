"""The plugins that a configuration names, built and ready to be asked."""

from scheduler.calendars.source import FILE_EVERY, WEB_EVERY, Calendar, FilePlace, WebPlace
from scheduler.config.checks import Installed
from scheduler.config.secrets import named_secret
from scheduler.config.settings import NotifySpec, Settings
from scheduler.loop.herald import Post
from scheduler.notifiers.email import Email, MailServer
from scheduler.notifiers.ntfy import Ntfy
from scheduler.plugins import PolicySet, PriceFeed
from scheduler.ports import CalendarSource, Notifier
from scheduler.prices.web import SourceWeb
from scheduler.web_client import WebClient


def policy_sets(settings: Settings, plugins: Installed) -> dict[str, PolicySet]:
    """Return the policies of each home by its id. What cannot be loaded is set aside in them, with why.

    Raises:
        ConfigError: settings that do not fit; `load` has found them before.
    """
    return {home.id: PolicySet.of(home, plugins.policies) for home in settings.homes}


def price_feeds(settings: Settings, plugins: Installed, web: WebClient) -> dict[str, PriceFeed]:
    """Return the price sources by their names. One that cannot be loaded is left out; `warnings` names it."""
    feeds: dict[str, PriceFeed] = {}
    for spec in settings.prices:
        plugin = plugins.price_sources.plugin(spec.source)
        if plugin.cls is not None:
            at = named_secret("prices", spec.name)
            feeds[spec.name] = PriceFeed(
                name=spec.name,
                source=plugin.build(spec.settings),
                web=SourceWeb(web, token=spec.secret.reveal(), token_at=f"{at.variable}, or the file {at.file}"),
                kind=spec.source,
                product=spec.product,
                stand_in=spec.stand_in,
                redact=web.redact,
            )
    return feeds


def calendar_sources(settings: Settings, web: WebClient) -> dict[str, CalendarSource]:
    """Return the calendars by their names."""
    return {
        spec.name: Calendar(
            name=spec.name,
            product=spec.product,
            place=FilePlace(path=spec.path)
            if spec.path
            else WebPlace(address=spec.address.reveal(), address_at=spec.address_at, web=web),
            every=FILE_EVERY if spec.path else WEB_EVERY,
        )
        for spec in settings.calendars
    }


def posts_of(settings: Settings, web: WebClient) -> tuple[Post, ...]:
    """Return the notifiers of the `[[notify]]` tables; those of the web use the client."""
    return tuple(
        Post(name=one.name, notifier=_notifier(one, web), least=one.least, ends=one.ends) for one in settings.notify
    )


def _notifier(spec: NotifySpec, web: WebClient) -> Notifier:
    at = named_secret("notify", spec.name)
    secret_at = f"{at.variable}, or the file {at.file}"
    if spec.by == "ntfy":
        token = spec.secret.reveal()
        return Ntfy(web, url=spec.url, topic=spec.topic, token=token, name=spec.name, secret_at=secret_at)
    server = MailServer(
        host=spec.host, port=spec.port, security=spec.security, user=spec.user, password=spec.secret.reveal()
    )
    return Email(server, sender=spec.sender, to=spec.to, secret_at=secret_at)
