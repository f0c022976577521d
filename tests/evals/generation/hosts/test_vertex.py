from __future__ import annotations

import asyncio
import base64
import datetime
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from evals.generation.answers import Finished, HostUnavailable, Rejected
from evals.generation.hosts.vertex import Vertex, application_token

BASE = "https://aiplatform.googleapis.com"
PNG = b"\x89PNG\r\n\x1a\n" + b"rest of a png"
ANSWER = {
    "candidates": [
        {
            "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}]},
            "finishReason": "STOP",
        }
    ],
    "modelVersion": "gemini-3.1-flash-image",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Let no account of the machine take part."""
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def vertex(host_facts, client) -> Callable[..., Vertex]:
    def build(answers: Callable[[httpx.Request], httpx.Response] = httpx.Response, **settings: Any) -> Vertex:
        facts = host_facts("vertex", BASE, "aiplatform.googleapis.com")
        usual: dict[str, Any] = {"project": "proj", "token": lambda: "TOK"}
        return Vertex(facts, "not-a-key", client=client(answers), **{**usual, **settings})

    return build


@pytest.fixture
def submitted(vertex, image_request, offer) -> Callable[..., Any]:
    """Return a function that submits a request with these settings: what became of it, and what was sent."""

    def submit(**settings: Any) -> tuple[Any, list[httpx.Request]]:
        seen: list[httpx.Request] = []

        def answers(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json=ANSWER)

        host = vertex(answers, **settings)
        call = host.prepare(image_request(), offer("gemini-3.1-flash-image", "vertex"), [])
        return asyncio.run(host.submit(call)), seen

    return submit


class Credentials:
    """Stands for google-auth's credentials: valid for a while after each refresh."""

    def __init__(self, error: Exception | None = None) -> None:
        self.refreshed = 0
        self.valid = False
        self.error = error

    def refresh(self, request: object) -> None:
        if self.error:
            raise self.error
        self.refreshed += 1
        self.valid = True

    @property
    def token(self) -> str:
        return f"token-{self.refreshed}"


@pytest.fixture
def signed_in(monkeypatch) -> Callable[[Credentials], Credentials]:
    google_auth = pytest.importorskip("google.auth")

    def use(credentials: Credentials) -> Credentials:
        monkeypatch.setattr(google_auth, "default", lambda scopes: (credentials, "proj"))
        return credentials

    return use


# The request


def test_a_request_has_the_captured_form_and_asks_for_png(vertex, image_request, offer):
    call = vertex().prepare(image_request(), offer("gemini-3.1-flash-image", "vertex"), [])
    assert call.method == "POST"
    assert call.url == (
        f"{BASE}/v1/projects/proj/locations/global/publishers/google/models/gemini-3.1-flash-image:generateContent"
    )
    assert call.headers == {}
    assert call.body == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {
            "seed": 42,
            "responseModalities": ["IMAGE"],
            "imageConfig": {
                "aspectRatio": "1:1",
                "imageSize": "1K",
                "imageOutputOptions": {"mimeType": "image/png"},
            },
        },
    }


def test_the_project_comes_from_the_environment(vertex, image_request, offer, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    call = vertex(project=None, api_version="v1beta1").prepare(
        image_request(), offer("gemini-3-pro-image", "vertex"), []
    )
    assert call.url.startswith(f"{BASE}/v1beta1/projects/of-the-environment/locations/global/")


def test_a_region_of_the_environment_does_not_raise_the_price(vertex, image_request, offer, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
    call = vertex().prepare(image_request(), offer("gemini-3-pro-image", "vertex"), [])
    assert call.url.startswith(f"{BASE}/v1/projects/proj/locations/global/")


@pytest.mark.parametrize("project", ["", "a/b", "../.."])
def test_a_missing_or_odd_project_is_one_sentence(vertex, project):
    with pytest.raises(HostUnavailable, match=r"for Google Cloud; set GOOGLE_CLOUD_PROJECT$"):
        vertex(project=project)


# The token


def test_the_token_is_sent_as_bearer_and_the_key_is_not(submitted):
    read, seen = submitted()
    assert isinstance(read, Finished)
    assert read.content == PNG
    assert seen[0].headers["authorization"] == "Bearer TOK"
    assert "not-a-key" not in str(seen[0].headers)


def test_the_token_is_asked_for_in_another_thread(submitted):
    threads = []

    def token() -> str:
        threads.append(threading.current_thread())
        return "TOK"

    submitted(token=token)
    assert threads != [threading.main_thread()]
    assert len(threads) == 1


def test_a_server_on_this_machine_gets_the_key_and_needs_no_account(host_facts, image_request, offer, client):
    seen = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=ANSWER)

    host = Vertex(host_facts("vertex", BASE), "simulated", "http://127.0.0.1:8080", client(answers))
    call = host.prepare(image_request(), offer("gemini-3.1-flash-image", "vertex"), [])
    assert isinstance(asyncio.run(host.submit(call)), Finished)
    assert call.url.startswith("http://127.0.0.1:8080/v1/projects/simulated/locations/global/")
    assert seen == ["Bearer simulated"]


def test_without_a_token_nothing_is_sent_and_the_system_stops(submitted):
    def token() -> str:
        raise HostUnavailable("Google gave no access token (expired)")

    read, seen = submitted(token=token)
    assert isinstance(read, Rejected)
    assert "gcloud auth" in read.stops
    assert seen == []


def test_without_a_connection_for_the_token_it_is_tried_again(submitted):
    def token() -> str:
        raise ConnectionError("cannot be reached")

    read, seen = submitted(token=token)
    assert read == Rejected("no_connection", "cannot be reached")
    assert seen == []


def test_a_token_is_kept_until_it_expires(signed_in):
    credentials = signed_in(Credentials())
    token = application_token()
    assert [token(), token()] == ["token-1", "token-1"]
    credentials.valid = False
    assert token() == "token-2"


def test_real_credentials_that_have_expired_are_renewed(monkeypatch):
    google_auth = pytest.importorskip("google.auth")
    from google.oauth2.credentials import Credentials as Real

    real = Real("old", expiry=datetime.datetime(2020, 1, 1))
    monkeypatch.setattr(Real, "refresh", lambda self, request: setattr(self, "token", "new"))
    monkeypatch.setattr(google_auth, "default", lambda scopes: (real, None))
    assert application_token()() == "new"


def test_troubles_with_the_sign_in_are_told_apart(signed_in):
    exceptions = pytest.importorskip("google.auth.exceptions")
    signed_in(Credentials(exceptions.TransportError("no route")))
    with pytest.raises(ConnectionError, match="no route"):
        application_token()()
    signed_in(Credentials(exceptions.RefreshError("revoked\nwith details")))
    with pytest.raises(HostUnavailable, match=r"no access token \(revoked\)$"):
        application_token()()


def test_missing_credentials_are_one_sentence(monkeypatch, vertex):
    google_auth = pytest.importorskip("google.auth")
    from google.auth.exceptions import DefaultCredentialsError

    def default(scopes: object) -> None:
        raise DefaultCredentialsError("Your default credentials were not found.\nSee https://…")

    monkeypatch.setattr(google_auth, "default", default)
    with pytest.raises(HostUnavailable, match=r"no credentials for Google Cloud .*gcloud auth") as raised:
        vertex(token=None)
    assert "\n" not in str(raised.value)


def test_a_missing_library_is_one_sentence(monkeypatch, vertex):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(HostUnavailable, match=r"pip install 'twinlens\[vertex\]'"):
        vertex(token=None)
