"""The catalogue of what people can be asked to do, in the languages it is written in."""

from dataclasses import dataclass
from typing import Any, Final

from simulator.intervention_texts import (
    ACCOUNT_ADVICE,
    CHARGER_CHARGE_STATE,
    CHARGER_CONTROL,
    CREDENTIALS,
    TEXTS,
    VEHICLE_CHARGE_STATE,
    VEHICLE_CONTROL,
    VEHICLE_LOCATION,
    VEHICLE_ODOMETER,
)

FALLBACK: Final = "en-US"


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """One thing to do; the texts are kept by language."""

    id: str
    vendor: str | None = None
    vendor_type: str | None = None
    brand: str | None = None
    domain: str = "Account"
    access: str = "Remote"
    agent: str = "User"
    action: str | None = None

    def as_json(self, language: str = FALLBACK) -> dict[str, Any]:
        """Return it as the API shows it, in English where it is not written in the language."""
        title, description = TEXTS.get(language, {}).get(self.id) or TEXTS[FALLBACK][self.id]
        return {
            "id": self.id,
            "vendor": self.vendor,
            "vendorType": self.vendor_type,
            "brand": self.brand,
            "introducedAt": "2024-05-01T00:00:00.000Z",
            "domain": self.domain,
            "resolution": {
                "title": title,
                "description": description,
                "access": self.access,
                "agent": self.agent,
                "action": self.action,
            },
        }


CATALOGUE: Final[dict[str, Intervention]] = {
    each.id: each
    for each in (
        Intervention(id=VEHICLE_CONTROL, vendor="TESLA", vendor_type="vehicle", brand="Tesla"),
        Intervention(
            id=VEHICLE_LOCATION,
            vendor="VOLKSWAGEN",
            vendor_type="vehicle",
            brand="Volkswagen",
            domain="Device",
            access="Physical",
        ),
        Intervention(id=VEHICLE_ODOMETER, vendor="RENAULT", vendor_type="vehicle", brand="Renault", action="Link"),
        Intervention(
            id=VEHICLE_CHARGE_STATE,
            vendor="RENAULT",
            vendor_type="vehicle",
            brand="Renault",
            domain="Device",
            access="Physical",
            agent="ThirdParty",
        ),
        Intervention(id=CHARGER_CONTROL, vendor="ZAPTEC", vendor_type="charger", brand="Zaptec"),
        Intervention(
            id=CHARGER_CHARGE_STATE,
            vendor="ZAPTEC",
            vendor_type="charger",
            brand="Zaptec",
            domain="Device",
            access="Physical",
        ),
        Intervention(id=ACCOUNT_ADVICE),
        Intervention(id=CREDENTIALS, action="Link"),
    )
}
