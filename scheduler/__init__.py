"""kwhen: decides when an electric vehicle charges, and sees to it that it does."""

__version__ = "0.1.0"
