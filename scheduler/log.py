"""Logs: console form at a terminal, JSON lines otherwise, and no secret in any of them (S19).

What libraries say through `logging` takes the same way as our own events.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from scheduler.redaction import HIDDEN, Redactor

POSITIONS: Final = frozenset({"latitude", "longitude", "lat", "lon"})
"""Where somebody lives is not logged."""

QUIET: Final = {"aiohttp.access": logging.WARNING, "apscheduler": logging.WARNING, "alembic": logging.WARNING}
"""Libraries that tell more than an owner wants to know."""

BAD_REQUEST: Final = frozenset({"aiohttp.http_exceptions", "aiohttp.web_protocol"})
"""Where the errors of malformed requests are at home. Named, not imported: that would make commands slow to start."""

DEEPEST: Final = 8

MOST_QUOTED: Final = 3
"""A secret quoted more often than this, one `repr` inside another, is not recognised."""

_ESCAPED: Final = re.compile(r"""\\([\\'"])""")


class Voice(Protocol):
    """How much is said, and in which form.

    Attributes:
        level: debug, info, warning or error.
        form: console, json, or auto: console where the stream is a terminal.
    """

    @property
    def level(self) -> str: ...  # noqa: D102

    @property
    def form(self) -> str: ...  # noqa: D102


def set_up(
    voice: Voice, *, secrets: Iterable[str] = (), redactor: Redactor | None = None, stream: TextIO | None = None
) -> None:
    """Set up logging for this process; may be called again, as on reload.

    Args:
        voice: level and form.
        secrets: what no line may show.
        redactor: knows secrets too, also those it learns later, such as access tokens.
        stream: where lines go; standard error when not given.
    """
    redactor = Redactor() if redactor is None else redactor
    redactor.add(*secrets)
    target = sys.stderr if stream is None else stream
    console = voice.form == "console" or (voice.form == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(console=console, colours=target.isatty(), redactor=redactor),
            ],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(voice.level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.getLogger("aiohttp.server").addFilter(_is_no_bad_request)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a reload may change the level and the form
    )


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Tell whether a record of the HTTP server is worth a line: not that a request was malformed, unless at debug.

    It has been answered with 400; and whoever reaches the listener could fill a disk with such lines.
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__module__ not in BAD_REQUEST or logging.getLogger().isEnabledFor(logging.DEBUG)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(*, console: bool, colours: bool, redactor: Redactor) -> list[Processor]:
    """Return the steps from event to line. Secrets go twice: from the values, since quoting would disguise them, and
    from the finished line, since a renderer may show what no value showed.
    """  # noqa: D205 - one thought

    def hide_in_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: HIDDEN if key in POSITIONS else _hidden(value, redactor) for key, value in event.items()}

    def hide_in_line(_logger: WrappedLogger, _method: str, line: Any) -> str:
        return redactor(str(line))

    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False, default=repr)
    )
    return [structlog.processors.format_exc_info, hide_in_values, renderer, hide_in_line]


def _hidden(value: Any, redactor: Redactor, depth: int = 0) -> Any:
    """Return the value without secrets; what is no plain value is shown by its `repr`."""
    if isinstance(value, str):
        return _hidden_in(value, redactor)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth < DEEPEST and isinstance(value, Mapping):
        return {_hidden_in(str(key), redactor): _hidden(one, redactor, depth + 1) for key, one in value.items()}
    if depth < DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_hidden(one, redactor, depth + 1) for one in value]
    return _hidden_in(value.decode(errors="replace") if isinstance(value, bytes) else repr(value), redactor)


def _hidden_in(text: str, redactor: Redactor) -> str:
    """Return the text without secrets, also where a `repr` has quoted one: that of a KeyError's key, for example."""
    plain = text
    for _ in range(MOST_QUOTED):
        if "\\" not in plain:
            break
        plain = _ESCAPED.sub(r"\1", plain)
        if (hidden := redactor(plain)) != plain:
            return hidden
    return redactor(text)
