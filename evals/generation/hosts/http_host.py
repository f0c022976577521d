"""A host behind HTTP whose POST is answered with the picture; `PollingHost` is one that answers with a task.

A host's file says how to ask (`HttpHost.submission`) and what a good answer means (`HttpHost.read_picture`, or
`PollingHost.read_task` and `PollingHost.read_state`). It overrides `HttpHost.key_header`, `HttpHost.read_error` and the
like where its API differs from most. All of them are pure functions of request and answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import (
    Ended,
    Expired,
    Finished,
    HostUnavailable,
    MalformedResponse,
    OutcomeUnknown,
    PollAnswer,
    Rejected,
    SubmitAnswer,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts.addresses import host_of, is_loopback, is_owned, joined, keeps_secrets, may_deliver
from evals.generation.hosts.errors import message_of, read_error, unmasked, without_prompt
from evals.generation.hosts.redaction import redact_answer
from evals.generation.hosts.transport import HttpAnswer, HttpCall, new_client, send
from evals.generation.plan import ImageRequest
from evals.generation.spooling import Spooled, spooled

if TYPE_CHECKING:
    import httpx2 as httpx

ANSWER_S = {"512": 120.0, "1K": 120.0, "1.5K": 180.0, "2K": 180.0, "4K": 300.0}
"""How long a host may take to answer a POST, by picture size: a 4K picture with thinking takes minutes."""

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What a reader raises when a field is missing or of another type than the vendor documents."""

MOVED = frozenset({301, 307, 308})
REDIRECTS = MOVED | {302, 303}
_REDIRECTS_AT_MOST = 3
_DOWNLOAD_S = 120.0
_ANSWER_LOST = frozenset({408, 499, 502, 504, 520, 521, 522, 523, 524})
"""Somebody between us and the host, or the host's own clock, gave up; the work may have gone on."""


class HttpHost:
    """A host behind HTTP.

    Parameters
    ----------
    facts
        The host's row of the facts.
    key
        The API key; it is sent only to the addresses of ``base_url`` and of ``facts.key_domains``.
    base_url
        Another address for the same interface: a proxy, or a server on this machine.
    client
        The HTTP client; its own if not given. A test passes one with another transport.
    """

    def __init__(
        self, facts: HostFacts, key: str, base_url: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Keep the key in memory and open no connection."""
        self.facts = facts
        self.base_url = (base_url or facts.base_url).rstrip("/")
        if (facts.key_variables or facts.credentials) and not keeps_secrets(self.base_url):
            raise HostUnavailable(f"the address of {facts.id!r} must begin with https:// and hold no password")
        self._key = key
        # A proxy that the environment names is for the web, not for a server on this machine.
        self._client = client or new_client(trust_env=not is_loopback(self.base_url))

    # What a host's file says.

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the call that asks for a picture; `ValueError` if this host cannot be asked for it."""
        raise NotImplementedError

    def read_picture(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return what an answer without an HTTP error means; `MalformedResponse` if it cannot be read."""
        raise NotImplementedError

    def read_error(self, answer: HttpAnswer) -> Rejected | Ended:
        """Return what an HTTP error means for the request."""
        return read_error(answer)

    def key_header(self) -> dict[str, str]:
        """Return the header that carries the key; ``Authorization: Bearer`` where a subclass says nothing else."""
        return {"Authorization": f"Bearer {self._key}"}

    def check_delivery(self, url: str) -> None:
        """Refuse an address that no picture comes from: not https, or inside a private network.

        A server on this machine may deliver from this machine.
        """
        if not may_deliver(url, self.base_url):
            raise UntrustedUrl(f"{self.facts.id} named a delivery address that is not on the public web by https")

    # What a host's file builds on.

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> HttpCall:
        """Return a POST to a path below the base address, with the key."""
        url = f"{self.base_url}/{path}"
        return HttpCall("POST", url, {**headers, **self.keyed(url)}, body)

    def keyed(self, url: str) -> dict[str, str]:
        """Return the headers that carry the key, if the address may be given it.

        Raises
        ------
        UntrustedUrl
            If the address is neither below the base address nor, by https, on one of the vendor's domains.
        """
        if not self.owns(url):
            raise UntrustedUrl(
                f"{self.facts.id} named an address on {host_of(url)!r}, which is not the vendor's; "
                "no key was sent there"
            )
        return self.key_header()

    def owns(self, url: str) -> bool:
        """Tell whether an address is the vendor's own: of the same origin as the base address, or on its domains."""
        return is_owned(url, self.base_url, self.facts.key_domains)

    # What the request loop calls.

    def prepare(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the call for a request, with the time that its size may take."""
        call = self.submission(request, offer, references)
        return replace(call, answer_s=ANSWER_S[request.size], prompt=request.prompt)

    async def submit(self, call: HttpCall) -> SubmitAnswer:
        """Send a prepared call once and say what became of it."""
        return redact_answer(await self._submitted(call), (self._key,))

    async def _submitted(self, call: HttpCall) -> SubmitAnswer:
        import httpx2 as httpx

        try:
            answer = await send(self._client, call, self.facts.id)
        except (UntrustedUrl, httpx.LocalProtocolError) as error:
            # Another message could quote the header with the key.
            words = words_of(error) if isinstance(error, UntrustedUrl) else "it cannot be sent by HTTP"
            return Rejected("not_sendable", words, stops="check the host's address and its key")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return Rejected("no_connection", words_of(error))
        except (httpx.RequestError, httpx.StreamError, MalformedResponse) as error:
            return OutcomeUnknown(type(error).__name__, words_of(error))
        if answer.status in _ANSWER_LOST:
            return OutcomeUnknown(f"http_{answer.status}", message_of(answer))
        if answer.status in MOVED:
            return Rejected(f"http_{answer.status}", redirect_of(answer), stops="the host's address has changed")
        try:
            return complete(read_without_prompt(self.read_submission, answer, call.prompt))
        except UNREADABLE as error:
            return OutcomeUnknown("malformed_response", f"HTTP {answer.status}: {words_of(error)}")

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return what the answer to a submission means; `MalformedResponse` if it cannot be read."""
        answer = unmasked(answer)
        return self.read_error(answer) if answer.status >= 400 else self.read_picture(answer)

    async def poll(self, task: Task) -> PollAnswer:
        """Return the end of any task: this host accepts none, its pictures come at once or not at all."""
        return Ended("failed", "task_not_found", f"{self.facts.id} keeps no tasks")

    async def download(self, url: str) -> bytes | Spooled:
        """Fetch a delivered picture, without the key, through a few redirects to addresses that are checked as well.

        Raises
        ------
        Expired
            If the address is no longer served (400, 401, 403, 404, 410).
        httpx.TransportError
            If the connection failed or broke off, or the host has trouble; asking again does no harm.
        MalformedResponse
            If there is no end of bytes.
        UntrustedUrl
            If the address is not one that a picture can come from.
        """
        import httpx2 as httpx

        for _ in range(_REDIRECTS_AT_MOST + 1):
            self.check_delivery(url)
            answer = await send(self._client, HttpCall("GET", url, answer_s=_DOWNLOAD_S), self.facts.id)
            if answer.status not in REDIRECTS:
                break
            url = joined(url, answer.headers.get("location", ""))
        if answer.status in (400, 401, 403, 404, 410):
            raise Expired(f"HTTP {answer.status}")
        if answer.status != 200:
            raise httpx.ReadError(f"HTTP {answer.status}")
        return spooled(answer.content)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


_Read = TypeVar("_Read", bound="SubmitAnswer | PollAnswer")
_ReadOrCall = TypeVar("_ReadOrCall", bound="SubmitAnswer | PollAnswer | HttpCall")


def read_without_prompt(read: Callable[[HttpAnswer], _ReadOrCall], answer: HttpAnswer, prompt: str) -> _ReadOrCall:
    """Return what an answer means; where it is an error, the words of a prompt that it quotes decide nothing."""
    if unmasked(answer).status >= 400:
        return read(without_prompt(answer, prompt))
    ending = read(answer)  # its message, and the prompt that the host tells, stay as they are
    if isinstance(ending, Ended):
        without = read(without_prompt(answer, prompt))
        if isinstance(without, Ended):
            return replace(ending, outcome=without.outcome, passes=without.passes)
    return ending


def complete(read: _Read) -> _Read:
    """Return what was read; `MalformedResponse` for a finished picture that is nowhere."""
    if isinstance(read, Finished) and not read.content and not read.url:
        raise MalformedResponse("a finished picture with neither bytes nor an address")
    if isinstance(read, Finished):
        others = tuple(spooled(other) if isinstance(other, bytes) else other for other in read.others)
        content = spooled(read.content) if isinstance(read.content, bytes) else read.content
        return replace(read, content=content, others=others)
    return read


def redirect_of(answer: HttpAnswer) -> str:
    """Return where an answer redirects to, for a message."""
    return f"it redirects to {host_of(answer.headers.get('location', ''))}"


def words_of(error: BaseException) -> str:
    """Return an error's message on one line, its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
