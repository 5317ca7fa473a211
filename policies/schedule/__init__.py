"""Schedules: when the car is wanted, and when it must not charge."""
