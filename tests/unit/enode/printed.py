"""The examples of the document that kwhen implements, as they are printed there."""

VEHICLE = """{
  "id": "05ee9df5-d072-4ee8-b773-399dec8f5693",
  "userId": "bb28471e-cde6-4eff-ace4-9a7f4f50882a",
  "vendor": "TESLA",
  "lastSeen": "2024-01-07T17:04:26.000Z",
  "isReachable": true,
  "information": { "vin": "2HGFB2F5XEH542858", "model": "Model S P85", "year": 2020 },
  "chargeState": {
    "batteryLevel": 66,
    "range": 228,
    "batteryCapacity": 48.1,
    // EV Pair: When available, the chargeRate from the charger
    // is returned if it is not provided by the vehicle
    "chargeRate": 2.3,
    "chargeTimeRemaining": 285,
    "lastUpdated": "2020-04-07T17:04:26Z",
    "maxCurrent": 16,
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
    // EV Pair: Will be "null" when not currently
    // plugged into a charger
    "pluggedInChargerId": "07f8368d-be7e-4dbd-8cf0-94d00dd67ad3"
  },
  "capabilities": {
    "information": { "isCapable": true, "interventionIds": [] },
    "chargeState": { "isCapable": true, "interventionIds": [] },
    "odometer": { "isCapable": false, "interventionIds": ["4eaeb363-296d-4ccc-a973-7805e6f400bd"] },
    "setMaxCurrent": { "isCapable": false, "interventionIds": [] },
    // EV Pair: These capabilities are unlocked by the paired charger
    // and persist across charging sessions
    "startCharging": { "isCapable": true, "interventionIds": [] },
    "stopCharging": { "isCapable": true, "interventionIds": [] },
    "location": { "isCapable": true, "interventionIds": [] }
  }
}"""

CHARGER = """{
  ...
  "chargeState": {
    "isPluggedIn": true,
    "isCharging": true,
    "chargeRate": 2.3,
    "lastUpdated": "2020-04-07T17:04:26Z",
    "maxCurrent": 16,
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
    // EV Pair: Will be "null" when not currently
    // plugged into a vehicle
    "pluggedInVehicleId": "05ee9df5-d072-4ee8-b773-399dec8f5693"
  }
  ...
}"""

VEHICLE_PLAIN = """{"id": "05ee9df5-d072-4ee8-b773-399dec8f5693", "userId": "bb28471e-cde6-4eff-ace4-9a7f4f50882a", "vendor": "TESLA",
     "lastSeen": "2024-01-07T17:04:26.000Z", "isReachable": true,
     "information": {"vin": "2HGFB2F5XEH542858", "model": "Model S P85", "year": 2020},
     "chargeState": {"batteryLevel": 66, "range": 228, "batteryCapacity": 48.1, "chargeRate": 2.3,
       "chargeTimeRemaining": 285, "lastUpdated": "2020-04-07T17:04:26Z", "maxCurrent": 16,
       "powerDeliveryState": "PLUGGED_IN:CHARGING", "pluggedInChargerId": "07f8368d-be7e-4dbd-8cf0-94d00dd67ad3"},
     "capabilities": {"information": {"isCapable": true, "interventionIds": []},
       "chargeState": {"isCapable": true, "interventionIds": []},
       "odometer": {"isCapable": false, "interventionIds": ["4eaeb363-296d-4ccc-a973-7805e6f400bd"]},
       "setMaxCurrent": {"isCapable": false, "interventionIds": []},
       "startCharging": {"isCapable": true, "interventionIds": []},
       "stopCharging": {"isCapable": true, "interventionIds": []},
       "location": {"isCapable": true, "interventionIds": []}}}"""

CHARGER_PLAIN = """{"chargeState": {"isPluggedIn": true, "isCharging": true, "chargeRate": 2.3, "lastUpdated":
    "2020-04-07T17:04:26Z", "maxCurrent": 16, "powerDeliveryState": "PLUGGED_IN:CHARGING", "pluggedInVehicleId":
    "05ee9df5-d072-4ee8-b773-399dec8f5693"}}"""


def without_comments(text: str) -> bytes:
    """Return printed JSON as JSON: comments and the dots that stand for more are for readers."""
    lines = (line for line in text.splitlines() if not line.strip().startswith("//") and line.strip() != "...")
    return "\n".join(lines).encode()
