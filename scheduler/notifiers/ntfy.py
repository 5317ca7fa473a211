"""Messages to a topic of an ntfy server, by its JSON form, so that the topic stands in no address."""

from scheduler.core.errors import NotTold
from scheduler.ports import Message
from scheduler.web_client import AnswerLost, Throttled, WebClient, WebError

PRIORITIES = {"info": 3, "warning": 4, "critical": 5}
QUIET = 2

BUSY = "The server takes no more for now: wait, or use a server of your own."
UNSURE = "It may have arrived all the same: look there, and try again."
UNREACHED = "Look at `url`, and whether this machine reaches it and trusts its certificate."


class Ntfy:
    """Publishes to one topic.

    Args:
        web: the one client.
        url: the server's root.
        topic: to which whoever listens gets the messages.
        token: of a server that wants one; empty for none.
        name: the notifier's own, under which its waits are kept.
        secret_at: where the token comes from, for who has to mend it.
    """

    def __init__(
        self, web: WebClient, *, url: str, topic: str, token: str = "", name: str = "ntfy", secret_at: str = ""
    ) -> None:
        self._web = web
        self._url = url
        self._topic = topic
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._bucket = f"notify:{name}"
        self._secret_at = secret_at

    async def send(self, message: Message) -> None:
        """Publish a message. Raises NotTold."""
        body = {
            "topic": self._topic,
            "title": message.title,
            "message": message.text,
            "priority": QUIET if message.over else PRIORITIES.get(message.severity, 3),
            "tags": ["white_check_mark" if message.over else "warning"],
        }
        try:
            answer = await self._web.call(
                "POST", self._url, bucket=self._bucket, idempotent=False, headers=self._headers, body=body
            )
        except Throttled as error:
            raise NotTold(str(error), remedy=BUSY) from error
        except AnswerLost as error:
            raise NotTold(str(error), remedy=UNSURE) from error
        except WebError as error:
            raise NotTold(str(error), remedy=UNREACHED) from error
        if not answer.ok:
            raise NotTold(f"{answer.what} answered {answer.status}", remedy=self._remedy(answer.status))

    def _remedy(self, status: int) -> str:
        match status:
            case 401 | 403:
                which = "Look at the token" if self._headers else "The topic wants a token: set it"
                return f"{which} ({self._secret_at}); it must be allowed to publish to the topic."
            case status if status >= 500:  # noqa: PLR2004
                return "The server is in trouble: try again later."
            case _:
                return "Look at `url`: it must be the root of an ntfy server."
