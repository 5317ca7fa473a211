"""Calendars: where they are read, and what of them becomes departures."""
