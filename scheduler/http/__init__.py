"""The HTTP faces: the webhook listener, the API on the socket, the status page."""
