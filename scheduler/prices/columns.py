"""Rows out of any JSON answer: where in it they stand is said by JMESPath expressions."""

from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from scheduler.core.errors import PricesUnavailable
from scheduler.prices.slots import Row, number, with_ends
from scheduler.prices.written_times import ends, starts

_FROM_FUNCTIONS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the functions of an expression raise where the library does not look at what they are given."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a list of rows stands in an answer, and in each row its start, end and price.

    Without `end` a slot lasts until the next one. Instants without an offset are times of `timezone`.

    Raises:
        ValueError: an expression is none.
    """

    rows: str
    start: str
    price: str
    end: str = ""
    timezone: str = ""

    def __post_init__(self) -> None:
        for name in ("rows", "start", "price", "end"):
            if (expression := getattr(self, name)) or name != "end":
                try:
                    jmespath.compile(expression)
                except RecursionError:
                    raise ValueError(f"{name} is nested too deeply to be a JMESPath expression") from None
                except JMESPathError as error:
                    raise ValueError(f"{name} is no JMESPath expression: {expression!r}") from error

    def of(self, answer: object) -> list[Row]:
        """Return the rows of an answer. A price that is missing or no number is not known.

        Raises:
            PricesUnavailable: an expression finds nothing, or something else; it says which.
        """
        found = self._found("rows", answer)
        if not isinstance(found, list):
            raise PricesUnavailable(f"rows: {self.rows!r} found no list in the answer")
        began = starts([self._instant("start", row) for row in found], self.timezone)
        prices = [number(self._found("price", row)) for row in found]
        if found and all(price is None for price in prices):
            raise PricesUnavailable(f"price: {self.price!r} found no number in any row")
        if self.end:
            over = ends([self._instant("end", row) for row in found], self.timezone, after=began)
            return [Row(*one) for one in zip(began, over, prices, strict=True)]
        known = {start: price for start, price in zip(began, prices, strict=True) if price is not None}
        if any(price is not None and known[start] != price for start, price in zip(began, prices, strict=True)):
            raise PricesUnavailable("two rows begin at the same instant and differ")
        return with_ends(dict.fromkeys(began) | known)

    def _instant(self, name: str, row: object) -> object:
        if (found := self._found(name, row)) is None:
            raise PricesUnavailable(f"{name}: {getattr(self, name)!r} found nothing in a row")
        return found

    def _found(self, name: str, place: object) -> Any:
        expression = getattr(self, name)
        try:
            return jmespath.search(expression, place)
        except (JMESPathError, RecursionError, *_FROM_FUNCTIONS) as error:
            raise PricesUnavailable(f"{name}: {expression!r} does not fit the answer") from error
