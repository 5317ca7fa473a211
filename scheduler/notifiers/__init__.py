"""Notifiers: how an alert reaches a person who does not look."""
