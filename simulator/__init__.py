"""A provider of its own: an HTTP server that behaves as Enode does, over a physical model of cars and their owners.

It shares no code with the daemon: JSON on the wire is all that the two have in common.
"""
