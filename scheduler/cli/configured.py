"""The configuration, as commands read it, and what is built from it. Slow to import: only where it is needed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scheduler.cli.options import config_path
from scheduler.clock import SystemClock
from scheduler.config import Settings, load, warnings
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.tokens import Account
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient


def settings_of(given: Path | None) -> Settings:
    """Return the configuration in the file given, or in the usual one. Raises ConfigError."""
    return load(config_path(given), os.environ)


def doubts_about(settings: Settings) -> list[str]:
    """Return what an owner should look at, though the daemon would run."""
    return list(warnings(settings, at=SystemClock().now()))


def account_of(settings: Settings) -> Account:
    """Return the account that the configuration names."""
    enode = settings.enode
    return Account(
        api_url=enode.api_url,
        token_url=enode.token_url,
        client_id=enode.client_id,
        client_secret=enode.client_secret.reveal(),
    )


@asynccontextmanager
async def enode(account: Account) -> AsyncIterator[EnodeClient]:
    """Open a client of Enode's for the account; its secret appears in no error."""
    clock = SystemClock()
    async with WebClient(clock, redact=Redactor([account.client_secret])) as web:
        yield EnodeClient(Connection(web, account, clock))
