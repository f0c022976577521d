"""Google Cloud (Vertex AI): the Gemini API's body and answers, another address, and a short-lived token as key."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import HostUnavailable, Rejected, SubmitAnswer
from evals.generation.hosts.addresses import is_loopback
from evals.generation.hosts.google import Google, generation_body
from evals.generation.hosts.transport import HttpCall
from evals.generation.plan import ImageRequest

if TYPE_CHECKING:
    import httpx2 as httpx

_SIGN_IN = "sign in: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Vertex(Google):
    """Gemini image models on Google Cloud, at the global endpoint; pictures are asked for as PNG.

    Only answers of status 200 are charged (cloud.google.com/vertex-ai/generative-ai/pricing, read 2026-11-29).

    ``GOOGLE_CLOUD_LOCATION`` is not looked at: a region serves few of the models and costs a tenth more than the facts
    say, so that a budget would be exceeded.

    Parameters
    ----------
    facts, base_url, client
        As for `HttpHost`.
    key
        Not sent to Google, where the token comes from Google's own library. It is the token for a server on this
        machine, which must not be given a real one.
    project
        By default ``GOOGLE_CLOUD_PROJECT`` of the environment.
    token
        Returns a valid access token; called in a thread before every request.

    Raises
    ------
    HostUnavailable
        If there is no project, no google-auth, or no credentials.
    """

    def __init__(
        self,
        facts: HostFacts,
        key: str = "",
        base_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        project: str | None = None,
        api_version: str = "v1",
        token: Callable[[], str] | None = None,
    ) -> None:
        """Find project and credentials; ask for no token yet."""
        super().__init__(facts, key, base_url, client, api_version)
        simulated = is_loopback(self.base_url)
        named = project or os.environ.get("GOOGLE_CLOUD_PROJECT", "") or ("simulated" if simulated else "")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:_-]*", named):
            problem = f"{named!r} is no project" if named else "there is no project"
            raise HostUnavailable(f"{problem} for Google Cloud; set GOOGLE_CLOUD_PROJECT")
        self.project = named
        self._token = token or ((lambda: key) if simulated else application_token())

    UNCHARGED: ClassVar[tuple[int, ...]] = (500, 503)

    def key_header(self) -> dict[str, str]:
        """Return nothing: `submit` adds a token that is valid by then."""
        return {}

    def submission(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> HttpCall:
        """Return the POST whose answer is the picture."""
        place = f"projects/{self.project}/locations/global"
        path = f"{self.api_version}/{place}/publishers/google/models/{offer.api_id}:generateContent"
        body = generation_body(request, offer, references, imageOutputOptions={"mimeType": "image/png"})
        return self.post(path, body)

    async def submit(self, call: HttpCall) -> SubmitAnswer:
        """Send a prepared call once, with a token that is valid now."""
        try:
            token = await asyncio.to_thread(self._token)
        except ConnectionError as error:
            return Rejected("no_connection", str(error))
        except HostUnavailable as error:
            return Rejected("no_token", str(error), stops=_SIGN_IN)
        self._key = token  # what is kept of the answer must not hold it
        return await super().submit(replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"}))


def application_token() -> Callable[[], str]:
    """Return a function that returns an access token of the application default credentials, renewed when expired.

    That function raises `ConnectionError` if Google cannot be reached, `HostUnavailable` if it gives no token.

    Raises
    ------
    HostUnavailable
        If google-auth is not installed or finds no credentials.
    """
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
    except ImportError:
        raise HostUnavailable("Vertex AI needs google-auth and requests: pip install 'twinlens[vertex]'") from None
    try:
        credentials: Any = google.auth.default(scopes=[_SCOPE])[0]
    except GoogleAuthError as error:
        raise HostUnavailable(f"there are no credentials for Google Cloud ({_first_line(error)}); {_SIGN_IN}") from None
    one_at_a_time = threading.Lock()

    def token() -> str:
        with one_at_a_time:
            if not credentials.valid:
                try:
                    credentials.refresh(Request())
                except TransportError as error:
                    raise ConnectionError(f"Google's sign-in cannot be reached ({_first_line(error)})") from None
                except GoogleAuthError as error:
                    raise HostUnavailable(f"Google gave no access token ({_first_line(error)})") from None
            return str(credentials.token)

    return token


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
