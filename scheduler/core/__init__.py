"""Values and rules: what is known, what follows from it. Standard library and numpy only, no input or output."""
