"""What an owner chose about the pages: the language of the provider's texts, and tiles for the map."""

import json
import re
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from scheduler.http.problem import Problem
from scheduler.ports import Store

SPACE, KEY = "setting", "pages"

LANGUAGES = {
    "en-US": "English (US)", "en-GB": "English (UK)", "da-DK": "Dansk", "de-DE": "Deutsch", "es-ES": "Español",
    "fi-FI": "Suomi", "fr-FR": "Français", "it-IT": "Italiano", "ja-JP": "日本語", "lt-LT": "Lietuvių",
    "lv-LV": "Latviešu", "nb-NO": "Norsk", "nl-BE": "Nederlands (België)", "nl-NL": "Nederlands", "pl-PL": "Polski",
    "pt-PT": "Português", "ro-RO": "Română", "sv-SE": "Svenska",
}  # fmt: skip
"""Those of the provider's Link UI. Its texts fall back to English where they are not translated."""

_HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?\Z")
LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Choices of the owner's. `tiles` is an address with {z}, {x} and {y}; empty: no map is shown, nothing fetched."""

    language: str = "en-US"
    tiles: str = ""
    credit: str = ""

    @property
    def tile_origin(self) -> str:
        """Scheme and host of the tiles, for the policy of the page that shows them; empty without tiles."""
        parts = urlsplit(self.tiles)
        return f"{parts.scheme}://{parts.netloc}" if self.tiles else ""


async def read(store: Store) -> Preferences:
    """Return what was chosen. Raises StoreError."""
    kept = await store.kept(SPACE, KEY)
    return Preferences() if kept is None else Preferences(**json.loads(kept))


async def write(store: Store, wanted: Preferences) -> None:
    """Keep a choice. Raises Problem (400) for one that cannot be, StoreError."""
    if wanted.language not in LANGUAGES:
        raise Problem(400, "the provider does not speak that language", remedy="Choose one of the list.")
    if wanted.tiles:
        _check_tiles(wanted.tiles)
    if len(wanted.credit) > LONGEST:
        raise Problem(400, "the credit of the map is too long", remedy=f"At most {LONGEST} letters.")
    await store.keep(SPACE, KEY, json.dumps(asdict(wanted)).encode())


def _check_tiles(tiles: str) -> None:
    remedy = "Give an https address with {z}, {x} and {y} in its path, as your map's provider tells it."
    try:
        parts = urlsplit(tiles)
    except ValueError:
        raise Problem(400, "the address of the tiles cannot be read", remedy=remedy) from None
    here = parts.hostname in {"127.0.0.1", "localhost"}
    fine = (
        (parts.scheme == "https" or (parts.scheme == "http" and here))
        and _HOST.match(parts.netloc) is not None
        and all(part in parts.path + parts.query for part in ("{z}", "{x}", "{y}"))
        and len(tiles) <= LONGEST
        and tiles.isprintable()
    )
    if not fine:
        raise Problem(400, "these are no map tiles", remedy=remedy)
