"""Price sources: one small module each."""
