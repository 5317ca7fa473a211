"""An answer in XML, read without what XML can do to its reader: no document type, so no entities of its own.

The standard library's expat is enough: it never fetches anything, and where a document type begins, we stop. How large
an answer may be is the web client's business.
"""

from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from scheduler.core.errors import PricesUnavailable

PIECE = 256
"""Fed in pieces [bytes]: expat goes on with its piece after a refusal, and entities may make much of it."""


class _Undeclared(TreeBuilder):
    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        raise PricesUnavailable(f"the answer declares a document type ({name[:20]}), which no answer with prices does")


def parsed(body: bytes) -> Element:
    """Return the root. Names keep their namespace: find members by `{*}name`.

    Raises:
        PricesUnavailable: it is no XML, or declares a document type.
    """
    parser = XMLParser(target=_Undeclared())  # noqa: S314 - see above
    try:
        for start in range(0, len(body), PIECE):
            parser.feed(body[start : start + PIECE])
        root = parser.close()
    except (ParseError, LookupError, ValueError) as error:
        raise PricesUnavailable(f"the answer is no XML: {error}") from None
    if not isinstance(root, Element):
        raise PricesUnavailable("the answer is no XML: it is empty")
    return root


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]
