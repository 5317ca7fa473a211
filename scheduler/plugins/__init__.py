"""Policies and price sources by entry point: found, built from settings, and evaluated so that none can do harm."""

from scheduler.plugins.building import SettingsError, build
from scheduler.plugins.feeds import PriceFeed
from scheduler.plugins.policy_set import PolicySet
from scheduler.plugins.registry import POLICIES, PRICE_SOURCES, Plugin, Registry, Status

__all__ = [
    "POLICIES",
    "PRICE_SOURCES",
    "Plugin",
    "PolicySet",
    "PriceFeed",
    "Registry",
    "SettingsError",
    "Status",
    "build",
]
