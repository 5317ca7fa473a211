"""What interventions say, by language and id: a title, and a description in the provider's kind of Markdown."""

from typing import Final

VEHICLE_CONTROL: Final = "3f6f7b52-41a6-4d0e-9a55-6b0f6a1f0c11"
VEHICLE_LOCATION: Final = "5a0c2f7e-7e0f-4c5f-8d0a-2f4f3a9f7b22"
VEHICLE_ODOMETER: Final = "7d1b9c30-64d8-4f4e-8f0d-9c1a4f6e2d33"
VEHICLE_CHARGE_STATE: Final = "8e2ca1d4-0b53-4d6c-a8f5-1f7b3c5d4e44"
CHARGER_CONTROL: Final = "9b3db2e5-1c64-4e7d-b9a6-2a8c4d6e5f55"
CHARGER_CHARGE_STATE: Final = "ac4ec3f6-2d75-4f8e-8ab7-3b9d5e7f6a66"
ACCOUNT_ADVICE: Final = "bd5fd407-3e86-4a9f-9bc8-4cae6f8a7b77"
CREDENTIALS: Final = "ce6ae518-4f97-4ba0-8cd9-5dbf709b8c88"


def _steps(why: str, *steps: str) -> str:
    """Return a description: why, and then what to do, numbered where there is more than one thing."""
    lines = steps if len(steps) == 1 else [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    return why + ("<br><br>" + "<br>".join(lines) if lines else "")


TEXTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en-US": {
        VEHICLE_CONTROL: (
            "Allow remote control",
            _steps(
                "The car takes no commands yet.",
                "Open the **car's app**",
                "Choose *Security*",
                "Switch on **remote access**",
            ),
        ),
        VEHICLE_LOCATION: (
            "Share the car's position",
            _steps(
                "The car keeps its position to itself.",
                "Sit in the car",
                "Open *Settings*, then *Privacy*",
                "Switch on **Share my position**",
            ),
        ),
        VEHICLE_ODOMETER: (
            "Link the car's account again",
            _steps(
                "The distance driven needs a permission that was not asked for when the account was linked.",
            ),
        ),
        VEHICLE_CHARGE_STATE: (
            "Have the car updated",
            _steps(
                "This software does not tell everything about charging.",
                "Ask a **workshop** for the newest one.",
            ),
        ),
        CHARGER_CONTROL: (
            "Let others control the charger",
            _steps(
                "The charger listens to its own app only.",
                "Open the **charger's app**",
                "Choose *Settings*",
                "Switch on **Control by third parties**",
            ),
        ),
        CHARGER_CHARGE_STATE: (
            "Bring the charger on line",
            _steps(
                "The charger has not been heard of for a while.",
                "Go to the charger",
                "Look whether its **lamp** is green",
                "Switch its fuse off and on",
            ),
        ),
        ACCOUNT_ADVICE: (
            "Keep the account active",
            _steps(
                "Accounts that nobody signs in to are closed.",
                "Open the **vendor's app** now and then.",
            ),
        ),
        CREDENTIALS: (
            "Link the account again",
            _steps(
                "The sign-in to the vendor's account no longer works: perhaps its **password** was changed.",
            ),
        ),
    },
    "de-DE": {
        VEHICLE_CONTROL: (
            "Fernsteuerung erlauben",
            _steps(
                "Das Auto nimmt noch keine Befehle an.",
                "**App des Autos** öffnen",
                "*Sicherheit* wählen",
                "**Fernzugriff** einschalten",
            ),
        ),
        VEHICLE_LOCATION: (
            "Standort des Autos freigeben",
            _steps(
                "Das Auto behält seinen Standort für sich.",
                "Ins Auto setzen",
                "*Einstellungen*, dann *Datenschutz* öffnen",
                "**Standort teilen** einschalten",
            ),
        ),
        VEHICLE_ODOMETER: (
            "Konto des Autos neu verknüpfen",
            _steps(
                "Für den Kilometerstand fehlt eine Erlaubnis, nach der beim Verknüpfen nicht gefragt wurde.",
            ),
        ),
        VEHICLE_CHARGE_STATE: (
            "Auto aktualisieren lassen",
            _steps(
                "Diese Software sagt nicht alles über das Laden.",
                "Eine **Werkstatt** nach der neuesten fragen.",
            ),
        ),
        CHARGER_CONTROL: (
            "Steuerung der Wallbox durch andere erlauben",
            _steps(
                "Die Wallbox hört nur auf ihre eigene App.",
                "**App der Wallbox** öffnen",
                "*Einstellungen* wählen",
                "**Steuerung durch Dritte** einschalten",
            ),
        ),
        CHARGER_CHARGE_STATE: (
            "Wallbox ans Netz bringen",
            _steps(
                "Von der Wallbox war länger nichts zu hören.",
                "Zur Wallbox gehen",
                "Nachsehen, ob ihre **Lampe** grün leuchtet",
                "Sicherung aus- und wieder einschalten",
            ),
        ),
        ACCOUNT_ADVICE: (
            "Konto in Gebrauch halten",
            _steps(
                "Konten, bei denen sich niemand anmeldet, werden geschlossen.",
                "Ab und zu die **App des Herstellers** öffnen.",
            ),
        ),
        CREDENTIALS: (
            "Konto neu verknüpfen",
            _steps(
                "Die Anmeldung beim Hersteller gelingt nicht mehr: vielleicht wurde das **Passwort** geändert.",
            ),
        ),
    },
}
