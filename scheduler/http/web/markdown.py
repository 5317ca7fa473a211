"""The provider's Markdown as safe HTML: no markup of its own passes, no picture is fetched, links open elsewhere."""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_HEADINGS = {"h1": "h4", "h2": "h5", "h3": "h6"}
"""A heading of the text stands below those of the page."""

LONGEST_TEXT = 20_000


def _link(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    return str(self.renderToken(tokens, index, options, env))


def _heading(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].tag = _HEADINGS.get(tokens[index].tag, tokens[index].tag)
    return str(self.renderToken(tokens, index, options, env))


_READER = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
_READER.add_render_rule("link_open", _link)
_READER.add_render_rule("heading_open", _heading)
_READER.add_render_rule("heading_close", _heading)


def safe(markdown: str) -> Markup:
    """Return a text as HTML. `<br>` is the one tag that the provider's texts have: it becomes the end of a line."""
    text = _BREAK.sub("\n", markdown[:LONGEST_TEXT])
    return Markup(_READER.render(text))  # noqa: S704 - html is off, so every tag in it is the renderer's own
