"""Captured answers, cut short: what lies beside a checkout, read when it is there."""

import json
import os
import re
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST = 6000
"""A longer seed [bytes] only makes each mutation of it matter less."""

FEW = 4
"""So many of a list's members are kept."""


def beside(variable: str, default: str) -> Path:
    """Return the directory that a variable names, by default the one in `shared` beside the checkout."""
    return Path(os.environ.get(variable) or CHECKOUT.parent / "shared" / default)


def captured(*patterns: str) -> list[bytes]:
    """Return the captured answers of price services that fit the patterns, cut short; none where there are none."""
    root = beside("KWHEN_DATA", "data") / "tariff-fixtures"
    found = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [text for path in found if len(text := _short(path)) <= LONGEST]


def examples(*patterns: str) -> list[bytes]:
    """Return the provider's example payloads that fit the patterns."""
    root = beside("KWHEN_REFERENCE", "reference") / "enode-examples"
    return [path.read_bytes() for pattern in patterns for path in sorted(root.glob(pattern))]


def _short(path: Path) -> bytes:
    text = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(cut(json.loads(text)), separators=(",", ":")).encode()
    if path.suffix == ".xml":
        return re.sub(rb"(?s)((?:\s*<Point>.*?</Point>){3})(?:\s*<Point>.*?</Point>)*", rb"\1", text)
    return text


def cut(value: Any) -> Any:
    """Return a tree whose lists have a few members left."""
    if isinstance(value, dict):
        return {name: cut(one) for name, one in value.items()}
    return [cut(one) for one in value[:FEW]] if isinstance(value, list) else value


def dumped(*values: Any) -> list[bytes]:
    """Return values as JSON."""
    return [json.dumps(value).encode() for value in values]


def headed(seeds: list[bytes], *heads: bytes) -> list[bytes]:
    """Return every seed behind every head."""
    return [head + seed for head in heads for seed in seeds]
