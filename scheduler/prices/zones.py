"""What each service calls the bidding zones that people know as `DE-LU`, `NO1` or `SE3`."""

NORD_POOL = {
    **{zone: zone for zone in ("AT", "BE", "BG", "DK1", "DK2", "EE", "FI", "FR", "LT", "LV", "NL", "PL")},
    **{zone: zone for zone in ("NO1", "NO2", "NO3", "NO4", "NO5", "SE1", "SE2", "SE3", "SE4")},
    "DE-LU": "GER",
    "RO": "TEL",
    "SYS": "SYSTEM",
}
"""Delivery areas of Nord Pool's data portal. `SYS` is the Nordic system price, which only its indices tell."""
