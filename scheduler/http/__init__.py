"""Faces over HTTP: the API of the Unix socket, the status page and the metrics."""
