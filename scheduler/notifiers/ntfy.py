"""Messages to a topic of an ntfy server, by its JSON form, so that the topic stands in no address."""

from scheduler.core.errors import NotTold
from scheduler.ports import Message
from scheduler.web_client import WebClient, WebError

PRIORITIES = {"info": 3, "warning": 4, "critical": 5}
QUIET = 2


class Ntfy:
    """Publishes to one topic.

    Args:
        web: the one client.
        url: the server's root.
        topic: to which whoever listens gets the messages.
        token: of a server that wants one; empty for none.
        name: the notifier's own, under which its waits are kept.
    """

    def __init__(self, web: WebClient, *, url: str, topic: str, token: str = "", name: str = "ntfy") -> None:
        self._web = web
        self._url = url
        self._topic = topic
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._bucket = f"notify:{name}"

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
        except WebError as error:
            raise NotTold(str(error)) from error
        if not answer.ok:
            raise NotTold(f"{answer.what} answered {answer.status}")
