"""What a face answers when it cannot do what it was asked: one shape, with what to do about it."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from scheduler.core.errors import (
    ConfigError,
    HomeInvalid,
    KwhenError,
    LinkOver,
    NotThere,
    OnboardError,
    ProviderError,
    ReadOnlyHome,
    StoreError,
)

log = structlog.get_logger()


class Problem(KwhenError):  # noqa: N818
    """A request that cannot be met: HTTP status, what is wrong, and the remedy."""

    def __init__(self, status: int, title: str, *, detail: str = "", remedy: str = "", **more: Any) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.body = {"title": title, "detail": detail, "remedy": remedy, **more}

    def response(self) -> web.Response:
        """Return it as an answer."""
        return web.json_response(self.body, status=self.status, content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """Turn every error into a problem; only what nobody foresaw is logged with its trace."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - a redirect is no problem
            raise
        answer = Problem(error.status, error.reason or "not possible", detail=f"{request.method} {request.path}")
        response = answer.response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except KwhenError as error:
        return _expected(error).response()
    except ConnectionResetError:
        return web.Response(status=400)  # whoever asked has hung up: nobody hears this, and nothing of ours has failed
    except Exception:
        log.exception("http.handler_failed", method=request.method, path=request.path)
        remedy = "The daemon's log says more; please report it."
        return Problem(500, "internal fault", detail=f"{request.method} {request.path}", remedy=remedy).response()


def _expected(error: KwhenError) -> Problem:
    match error:
        case Problem():
            return error
        case HomeInvalid():
            remedy = "Mend what is named; nothing was changed."
            return Problem(422, "the home is not valid", remedy=remedy, problems=list(error.problems))
        case ReadOnlyHome():
            more = {"file": error.file, "key": error.key, "lines": error.lines}
            return Problem(
                409, "the home stands in the configuration file", detail=str(error), remedy=error.remedy, **more
            )
        case OnboardError():
            status = 404 if isinstance(error, NotThere) else 410 if isinstance(error, LinkOver) else 409
            return Problem(status, "not possible", detail=str(error), remedy=error.remedy)
        case ConfigError():
            remedy = "Mend the file and reload; nothing was changed."
            return Problem(422, "the configuration is wrong", remedy=remedy, problems=list(error.problems))
        case StoreError():
            return Problem(503, "the store could not do it", detail=str(error), remedy="Try again; see `kwhen doctor`.")
        case ProviderError():
            remedy = "Try again later; `kwhen doctor --online` tests the connection."
            return Problem(502, "the provider could not do it", detail=str(error), remedy=remedy)
        case _:
            return Problem(500, "not possible", detail=str(error))
