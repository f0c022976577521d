"""What all hosts behind HTTP share: the call and its answer, sending, errors, waiting times, downloads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import Finished, OutcomeUnknown, PollAnswer, Rejected, Running, SubmitAnswer, Task
from evals.generation.hosts.addresses import host_of, is_loopback, is_owned, joined, keeps_secrets, may_deliver
from evals.generation.hosts.http_answer import HttpAnswer, MalformedResponse, message_of, refused_call, retry_after_s
from evals.generation.hosts.redaction import redact_answer
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

__all__ = [
    "ANSWER_S",
    "Expired",
    "HostUnavailable",
    "HttpAnswer",
    "HttpCall",
    "HttpHost",
    "MalformedResponse",
    "UntrustedUrl",
    "as_base64",
    "message_of",
    "new_client",
    "refused_call",
    "retry_after_s",
]

ANSWER_S = {"512": 120.0, "1K": 120.0, "2K": 180.0, "4K": 300.0}
"""How long a host may take to answer a POST, by picture size: a 4K picture with thinking takes minutes."""

_POLL_S = 30.0
_DOWNLOAD_S = 120.0
_LARGEST_ANSWER = 256 * 2**20
_LONG_TEXT = 2_000
_SLOWEST = 3.0
"""An answer that trickles in is given up after this many times the time that a host may stay silent."""

_IDLE_S = 1.0
"""How long an idle connection may be used again. A server that closes it at the very moment a POST is sent leaves open
whether the POST was taken in; servers wait two seconds and more."""

_ENCODINGS = ("", "identity", "gzip", "deflate")
"""One layer of these grows a thousandfold at most; layers upon layers, or others, have no bound."""

_REDIRECTS_AT_MOST = 3
_MOVED = frozenset({301, 307, 308})
_REDIRECTS = _MOVED | {302, 303}
_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What a reader raises when a field is missing or of another type than the vendor documents."""


class UntrustedUrl(ValueError):
    """An address was named that the key must not be sent to, or that no picture can come from."""


class HostUnavailable(ValueError):
    """A host cannot be used on this machine: a key, a library or weights are missing; the message says what to do."""


class Expired(Exception):
    """The address of a picture is no longer served."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One call to a host. ``headers`` hold the key and are never shown or written."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = None
    answer_s: float = _POLL_S

    def record(self) -> dict[str, Any]:
        """Return what is sent, as the ledger keeps it: no headers, and images by hash and length."""
        return {"method": self.method, "url": self.url, "body": _without_images(self.body)}


class HttpHost:
    """A host behind HTTP. A subclass says how to ask (`submission`, `polling`) and what answers mean (the readers).

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

    # What a subclass provides: pure functions of request and answer.

    def submission(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the call that asks for a picture."""
        raise NotImplementedError

    def read_submission(self, answer: HttpAnswer) -> SubmitAnswer:
        """Return what the answer to that call means. `HttpAnswer.json` may raise `MalformedResponse`."""
        raise NotImplementedError

    def polling(self, task: Task) -> HttpCall:
        """Return the call that asks how an accepted task is doing."""
        raise NotImplementedError

    def read_poll(self, answer: HttpAnswer, task: Task) -> PollAnswer | HttpCall:
        """Return what the answer means, or the further call whose answer is to be read the same way."""
        raise NotImplementedError

    # What the runner uses.

    def prepare(self, asked: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the call for a request, with the time that its size may take."""
        return replace(self.submission(asked, offer, references), answer_s=ANSWER_S[asked.size])

    async def submit(self, call: HttpCall) -> SubmitAnswer:
        """Send a prepared call once; what became of it is never a reason to send it again by itself."""
        return redact_answer(await self._submitted(call), (self._key,))

    async def _submitted(self, call: HttpCall) -> SubmitAnswer:
        import httpx2 as httpx

        try:
            answer = await self._send(call)
        except (UntrustedUrl, httpx.LocalProtocolError) as error:
            # Another message could quote the header with the key.
            words = _words(error) if isinstance(error, UntrustedUrl) else "it cannot be sent by HTTP"
            return Rejected("not_sendable", words, stops="check the host's address and its key")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return Rejected("no_connection", _words(error))
        except (httpx.RequestError, httpx.StreamError, MalformedResponse) as error:
            return OutcomeUnknown(type(error).__name__, _words(error))
        if answer.status in _ANSWER_LOST:
            return OutcomeUnknown(f"http_{answer.status}", message_of(answer))
        if answer.status in _MOVED:
            return Rejected(f"http_{answer.status}", _redirect(answer), stops="the host's address has changed")
        try:
            return _complete(self.read_submission(answer))
        except _UNREADABLE as error:
            return OutcomeUnknown("malformed_response", f"HTTP {answer.status}: {_words(error)}")

    async def poll(self, task: Task) -> PollAnswer:
        """Ask once how a task is doing. What cannot be understood counts as still running.

        Raises
        ------
        UntrustedUrl
            If the task's address, or one that the answer names, must not be given the key.
        """
        return redact_answer(await self._polled(task), (self._key,))

    async def _polled(self, task: Task) -> PollAnswer:
        import httpx2 as httpx

        call = self.polling(task)
        try:
            for _ in range(3):
                answer = await self._send(call)
                if answer.status in _REDIRECTS:
                    return Running(f"http_{answer.status} ({_redirect(answer)})")
                read = self.read_poll(answer, task)
                if not isinstance(read, HttpCall):
                    return _complete(read)
                call = read
        except (httpx.RequestError, httpx.StreamError) as error:
            return Running(f"no answer ({type(error).__name__})")
        except UntrustedUrl:
            raise
        except _UNREADABLE as error:
            return Running(f"malformed response ({_words(error)})")
        return Running("no end of further addresses")

    async def download(self, url: str) -> bytes:
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
            answer = await self._send(HttpCall("GET", url, answer_s=_DOWNLOAD_S))
            if answer.status not in _REDIRECTS:
                break
            url = joined(url, answer.headers.get("location", ""))
        if answer.status in (400, 401, 403, 404, 410):
            raise Expired(f"HTTP {answer.status}")
        if answer.status != 200:
            raise httpx.ReadError(f"HTTP {answer.status}")
        return answer.content

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # What subclasses build on.

    def keyed(self, url: str, **headers: str) -> dict[str, str]:
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
        return {**headers, **self.key_header()}

    def key_header(self) -> dict[str, str]:
        """Return the header that carries the key; ``Authorization: Bearer`` where a subclass says nothing else."""
        return {"Authorization": f"Bearer {self._key}"}

    def owns(self, url: str) -> bool:
        """Tell whether an address is the vendor's own: of the same origin as the base address, or on its domains."""
        return is_owned(url, self.base_url, self.facts.key_domains)

    def check_delivery(self, url: str) -> None:
        """Refuse an address that no picture comes from: not https, or inside a private network.

        A server on this machine may deliver from this machine.
        """
        if not may_deliver(url, self.base_url):
            raise UntrustedUrl(f"{self.facts.id} named a delivery address that is not on the public web by https")

    async def _send(self, call: HttpCall) -> HttpAnswer:
        import httpx2 as httpx

        limits = httpx.Timeout(call.answer_s, connect=10.0)
        content = json.dumps(call.body, ensure_ascii=False).encode() if call.body is not None else None
        headers = {"Accept-Encoding": "gzip", **call.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            request = self._client.build_request(
                call.method, call.url, content=content, headers=headers, timeout=limits
            )
            async with asyncio.timeout(_SLOWEST * call.answer_s):
                answer = await self._client.send(request, stream=True)
                try:
                    received = await _received(answer)
                finally:
                    await answer.aclose()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise UntrustedUrl(f"{self.facts.id} has or named an address that is none") from None
        except UnicodeEncodeError:
            raise httpx.LocalProtocolError("a header is not ASCII") from None
        except TimeoutError:
            raise httpx.ReadTimeout(f"the answer was not complete after {_SLOWEST * call.answer_s:.0f} s") from None
        except OSError as error:  # a damaged TLS record
            raise httpx.ReadError(f"the connection broke ({type(error).__name__})") from None
        except httpx.DecodingError:
            raise httpx.ReadError("the compressed answer cannot be unpacked") from None
        return HttpAnswer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, received)


async def _received(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        raise MalformedResponse("an answer that is compressed in a way that was not asked for")
    received = bytearray()
    async for chunk in answer.aiter_bytes():
        received += chunk
        if len(received) > _LARGEST_ANSWER:
            raise MalformedResponse(f"an answer of more than {_LARGEST_ANSWER // 2**20} MiB")
    return bytes(received)


_ANSWER_LOST = frozenset({408, 499, 502, 504, 520, 521, 522, 523, 524})
"""Somebody between us and the host, or the host's own clock, gave up; the work may have gone on."""


def new_client(trust_env: bool = True) -> httpx.AsyncClient:
    """Return an HTTP client that follows no redirect (a key must not travel) and uses connections again.

    Raises
    ------
    HostUnavailable
        If the proxy or the certificates that the environment names cannot be used.
    """
    import httpx2 as httpx

    # At a lower level these libraries log addresses, and a signed one is a secret.
    for library in ("httpx2", "httpcore2"):
        logging.getLogger(library).setLevel(logging.WARNING)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_S)
    try:
        return httpx.AsyncClient(follow_redirects=False, limits=limits, trust_env=trust_env)
    except ImportError:
        raise HostUnavailable("the environment names a SOCKS proxy, which needs: pip install 'httpx2[socks]'") from None
    except (OSError, ValueError, httpx.InvalidURL):
        raise HostUnavailable(
            "the environment names a proxy or certificates that cannot be used; look at HTTPS_PROXY, HTTP_PROXY, "
            "ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None


def as_base64(content: bytes) -> str:
    """Return bytes as standard base64."""
    return base64.b64encode(content).decode("ascii")


def _redirect(answer: HttpAnswer) -> str:
    return f"it redirects to {host_of(answer.headers.get('location', ''))}"


_Read = TypeVar("_Read", bound="SubmitAnswer | PollAnswer")


def _complete(read: _Read) -> _Read:
    if isinstance(read, Finished) and not read.content and not read.url:
        raise MalformedResponse("a finished picture with neither bytes nor an address")
    return read


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _without_images(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_images(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_images(inner) for inner in value]
    if isinstance(value, str) and len(value) > _LONG_TEXT and value.isascii() and " " not in value:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()} ({len(value)} characters)"
    return value
