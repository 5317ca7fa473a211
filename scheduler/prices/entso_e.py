"""Day-ahead prices of European bidding zones from ENTSO-E's Transparency Platform, with a token that is free."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from xml.etree.ElementTree import Element

from scheduler.core.errors import PriceError, PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.entso_e_document import rows_of
from scheduler.prices.slots import require_one_of, series
from scheduler.prices.xml_answer import local_name, parsed
from scheduler.prices.zones import EIC

CURRENCIES = ("EUR", "BGN", "CHF", "CZK", "DKK", "GBP", "HUF", "NOK", "PLN", "RON", "RSD", "SEK", "UAH")


@dataclass(frozen=True, kw_only=True)
class EntsoE:
    """Wholesale prices of `zone`, such as `DE-LU`, or of the EIC of one: no VAT, no fees.

    `currency` is what the platform tells them in; it converts nothing. The token: register at
    transparency.entsoe.eu and ask for access to the RESTful API. What holds where series overlap: `entso_e_document`.
    """

    zone: str
    currency: str = "EUR"
    url: str = "https://web-api.tp.entsoe.eu"

    rhythm: ClassVar[DayAhead] = DayAhead()
    needs_token: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9]{2}[A-Z][A-Z0-9-]{13}", self.zone):
            require_one_of(self.zone, (*EIC, "an EIC of 16 characters"), "zone")
        require_one_of(self.currency, CURRENCIES, "currency")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span, by one call. Raises PriceError."""
        token, zone = web.token(), EIC.get(self.zone, self.zone)
        params = {
            "documentType": "A44",
            "contract_MarketAgreement.type": "A01",  # the day ahead, not the intraday auctions
            "in_Domain": zone,
            "out_Domain": zone,
            "periodStart": f"{span.start:%Y%m%d%H%M}",
            "periodEnd": f"{span.end:%Y%m%d%H%M}",
            "securityToken": token,
        }
        document = parsed(await web.raw(f"{self.url}/api", params=params, but=(400,)))
        if local_name(document) != "Publication_MarketDocument":
            raise _refusal(document, token)
        rows = rows_of(document, currency=self.currency)
        return series(rows, unit=f"{self.currency}/MWh", currency=self.currency, span=span, at=at, zone=self.zone)


def _refusal(document: Element, token: str) -> PriceError:
    """Return what an acknowledgement means: it says in words alone whether there is nothing yet or never will be."""
    if local_name(document) != "Acknowledgement_MarketDocument":
        return PricesUnavailable(f"ENTSO-E answered a {local_name(document)[:60]} instead of prices")
    reasons = (reason.text or "" for reason in document.iterfind("{*}Reason/{*}text"))
    text = " ".join(reasons).replace(token, "…")[:300]
    if "no matching data found" in text.lower():
        return PricesNotPublished(f"ENTSO-E: {text}")
    return PricesRefused(f"ENTSO-E refused: {text or 'it says no reason'}")
