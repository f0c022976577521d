"""One call over HTTP and what came back: bounded in time and size, with every way to break told apart."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evals.generation.answers import HostUnavailable, MalformedResponse, UntrustedUrl

if TYPE_CHECKING:
    import httpx2 as httpx

POLL_S = 30.0
_LARGEST_ANSWER = 256 * 2**20
_LONG_TEXT = 2_000
_SLOWEST = 3.0
"""An answer that trickles in is given up after this many times the time that a host may stay silent."""

_IDLE_S = 1.0
"""How long an idle connection may be used again. A server that closes it at the very moment a POST is sent leaves open
whether the POST was taken in; servers wait two seconds and more."""

_ENCODINGS = ("", "identity", "gzip", "deflate")
"""One layer of these grows a thousandfold at most; layers upon layers, or others, have no bound."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One call to a host. ``headers`` hold the key and are never shown or written.

    ``prompt`` is the one that ``body`` holds, as an error may quote it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = None
    answer_s: float = POLL_S
    prompt: str = field(default="", repr=False)

    def record(self) -> dict[str, Any]:
        """Return what is sent, as the ledger keeps it: no headers, and images by hash and length."""
        return {"method": self.method, "url": self.url, "body": _without_images(self.body)}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: the status, the headers by lower-case name, the bytes."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object, with finite numbers and text that can be written again.

        Raises
        ------
        MalformedResponse
            If it is none.
        """
        try:
            text = self.content.decode("utf-8-sig", "replace")
            body = json.loads(text, parse_float=_finite, parse_constant=_finite)
            if _SURROGATE.search(text):
                body = _writable(body)
        except (ValueError, RecursionError):
            raise MalformedResponse(f"{len(self.content)} bytes that are not JSON") from None
        if not isinstance(body, dict):
            raise MalformedResponse(f"JSON that is a {type(body).__name__}, not an object")
        return body

    def json_or_empty(self) -> dict[str, Any]:
        """Return the body as `json` does, an empty one where it is none: errors need not be JSON."""
        try:
            return self.json()
        except MalformedResponse:
            return {}


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


async def send(client: httpx.AsyncClient, call: HttpCall, host_id: str) -> HttpAnswer:
    """Send a call once and return the whole answer.

    Raises
    ------
    UntrustedUrl
        If the address is none.
    httpx.RequestError, httpx.StreamError
        If the call did not leave, or its answer did not arrive in time and whole.
    MalformedResponse
        If the answer is compressed in a way that was not asked for, or has no end.
    """
    import httpx2 as httpx

    limits = httpx.Timeout(call.answer_s, connect=10.0)
    content = json.dumps(call.body, ensure_ascii=False).encode() if call.body is not None else None
    headers = {"Accept-Encoding": "gzip", **call.headers}
    if content is not None:
        headers["Content-Type"] = "application/json"
    try:
        request = client.build_request(call.method, call.url, content=content, headers=headers, timeout=limits)
        async with asyncio.timeout(_SLOWEST * call.answer_s):
            answer = await client.send(request, stream=True)
            try:
                received = await _received(answer)
            finally:
                await answer.aclose()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise UntrustedUrl(f"{host_id} has or named an address that is none") from None
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


def _without_images(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_images(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_images(inner) for inner in value]
    if isinstance(value, str) and len(value) > _LONG_TEXT and value.isascii() and " " not in value:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()} ({len(value)} characters)"
    return value


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _writable(value: Any) -> Any:
    """Return JSON without halves of surrogate pairs, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(inner) for key, inner in value.items()}
    return [_writable(inner) for inner in value] if isinstance(value, list) else value


def _finite(number: str) -> float | None:
    """Return a number of JSON, None for one that no file can hold: a field with it counts as missing."""
    return float(number) if math.isfinite(float(number)) else None
