"""Finds the line of a key, so that a problem can be looked up. Knows as much of TOML as that needs."""

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


class Positions:
    """The line numbers of a TOML text by key path, such as `home[0].vehicle[1].id`."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = _table(_parts(header[2]), counts, is_array=header[1] == "[[")
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = ".".join(filter(None, [table, *_parts(key[1])]))
                self._lines.setdefault(path, number)

    def line(self, path: str) -> int | None:
        """Return the line of a key, or of the table around it; None when neither was found."""
        while path not in self._lines:
            cut = max(path.rfind("."), path.rfind("["))
            if cut < 0:
                return None
            path = path[:cut]
        return self._lines[path]


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _table(parts: list[str], counts: dict[str, int], *, is_array: bool) -> str:
    """Return the path of a table, with the index that each array of tables has reached."""
    path = ""
    for depth, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if is_array and depth == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path
