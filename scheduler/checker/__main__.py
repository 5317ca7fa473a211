"""`python -m scheduler.checker FILE.jsonl`: print the violations of an exported journal (`-` reads standard input).

The exit status is 0 for none, 1 for any, 2 for a journal that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from scheduler.checker.reading import Checker


def _feed(checker: Checker, lines: TextIO) -> Iterator[str]:
    """Feed every line; yield what was wrong with the first that is no event."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            checker.feed(json.loads(line))
        except (ValueError, TypeError, AttributeError, KeyError) as problem:
            yield f"line {number} is not an event of the journal: {problem!r}"
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one journal and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.checker", description="Check a journal of kwhen.")
    parser.add_argument("file", help="journal as JSON lines; - for standard input")
    parser.add_argument("--json", action="store_true", help="print each violation as a JSON object")
    options = parser.parse_args(arguments)
    checker = Checker()
    try:
        if options.file == "-":
            problems = list(_feed(checker, sys.stdin))
        else:
            with Path(options.file).open(encoding="utf-8") as lines:
                problems = list(_feed(checker, lines))
    except OSError as problem:
        problems = [str(problem)]
    for found in checker.finish():
        sys.stdout.write((json.dumps(found.as_json()) if options.json else str(found)) + "\n")
    for text in problems:
        sys.stderr.write(f"{options.file}: {text}\n")
    return 2 if problems else int(bool(checker.violations))


if __name__ == "__main__":
    sys.exit(main())
