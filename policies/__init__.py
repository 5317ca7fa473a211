"""The built-in policies: pure rules that state terms."""
