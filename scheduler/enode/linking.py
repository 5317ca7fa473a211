"""Linking: the vehicle first, then its charger, each in a session of the Link UI of its own."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from scheduler.core.observation import Capabilities
from scheduler.enode.client import EnodeClient
from scheduler.enode.values import LinkSession

VEHICLE_SCOPES: Final = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")
CHARGER_SCOPES: Final = ("charger:read:data", "charger:control:charging")
LONGEST_URI: Final = 500


class ChargerAdvice(StrEnum):
    """Whether a vehicle needs its charger linked too."""

    MANDATORY = "mandatory"  # without it kwhen cannot control the vehicle, or tell where it is
    RECOMMENDED = "recommended"  # faster plug-in detection, a second path, the charge rate


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRequest:
    """How to open a session of the Link UI.

    Args:
        redirect_uri: where the browser goes afterwards; put your own state in it, Enode adds nothing to rely on.
        language: one of Enode's, `browser` by default.
        vendor: skips the choice of a brand.
        color_scheme: "system", "light" or "dark".

    Raises:
        ValueError: a redirect that Enode refuses.
    """

    redirect_uri: str
    language: str = "browser"
    vendor: str | None = None
    color_scheme: str | None = None

    def __post_init__(self) -> None:
        if not self.redirect_uri or self.redirect_uri == "about:blank" or len(self.redirect_uri) > LONGEST_URI:
            raise ValueError("a link session needs an address to return to, of at most 500 characters")

    def body(self, *, vendor_type: str | None = None, scopes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the request for a session with these scopes; without any it is one for linking again."""
        members = {
            "vendorType": vendor_type,
            "vendor": self.vendor if scopes else None,
            "scopes": list(scopes) or None,
            "language": self.language,
            "redirectUri": self.redirect_uri,
            "colorScheme": self.color_scheme,
        }
        return {member: value for member, value in members.items() if value is not None}


async def link_vehicle(client: EnodeClient, user_id: str, request: LinkRequest) -> LinkSession:
    """Open the first session: the person links a vehicle account.

    Raises:
        CommandRejected: 403 when the client's connections are used up.
        ProviderError: as ever.
    """
    return await client.link(user_id, request.body(vendor_type="vehicle", scopes=VEHICLE_SCOPES))


async def link_charger(client: EnodeClient, user_id: str, request: LinkRequest) -> LinkSession:
    """Open the second session: the person links the charger of the same home. Raises as `link_vehicle`."""
    return await client.link(user_id, request.body(vendor_type="charger", scopes=CHARGER_SCOPES))


async def link_again(client: EnodeClient, asset_id: str, request: LinkRequest) -> LinkSession:
    """Open a session for an account whose credentials have become invalid.

    Raises:
        CommandRejected: 400 when the asset is unknown or linked all right.
        ProviderError: as ever.
    """
    return await client.relink(asset_id, request.body())


def charger_advice(own: Capabilities) -> ChargerAdvice:
    """Return whether the charger must be linked, from what the vehicle can do by itself."""
    able = own.start and own.stop and own.locate
    return ChargerAdvice.RECOMMENDED if able else ChargerAdvice.MANDATORY
