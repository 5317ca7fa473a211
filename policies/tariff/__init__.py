"""Tariffs: what a kWh costs the person in each interval."""
