"""The adapter to the Enode API."""
