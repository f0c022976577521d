import asyncio
import base64
import datetime
import sys
import threading

import httpx2 as httpx
import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Finished, HostUnavailable, Rejected
from evals.generation.hosts.vertex import Vertex, application_token
from tests.evals.generation.hosts.conftest import answer, client, image_request, offer

BASE = "https://aiplatform.googleapis.com"
PNG = b"\x89PNG\r\n\x1a\n" + b"rest of a png"
PARTS = [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}]
ANSWER = {"candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}]}
PAST, FUTURE = datetime.datetime(2020, 1, 1), datetime.datetime(2999, 1, 1)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def vertex():
    """Return a builder of a host with these settings, which keeps what it sends in ``vertex.sent``."""

    def build(key="not-a-key", base_url=None, project="proj", token=lambda: "TOK", **settings):
        facts = read_facts().hosts["vertex"]
        return Vertex(facts, key, base_url, client(answers), project, token=token, **settings)

    def answers(request):
        build.sent.append(request)
        return httpx.Response(200, json=ANSWER)

    build.sent = []
    return build


def submitted(host):
    return asyncio.run(host.submit(host.prepare(image_request(), offer("gemini-3.1-flash-image", "vertex"), [])))


@pytest.fixture
def google_auth():
    return pytest.importorskip("google.auth")


@pytest.fixture
def credentials(google_auth, monkeypatch):
    """Sign in with credentials of google-auth that have expired; they are renewed as ``token-1``, ``token-2``."""
    from google.oauth2.credentials import Credentials

    def refresh(self, request):
        self.token, self.expiry = f"token-{int(self.token.removeprefix('token-')) + 1}", FUTURE

    signed_in = Credentials("token-0", expiry=PAST)
    monkeypatch.setattr(Credentials, "refresh", refresh)
    monkeypatch.setattr(google_auth, "default", lambda scopes: (signed_in, "proj"))
    return signed_in


def test_a_request_has_the_captured_form_and_asks_for_png(vertex):
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
            "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K", "imageOutputOptions": {"mimeType": "image/png"}},
        },
    }


def test_the_environment_names_the_project_and_no_region_that_would_cost_more(vertex, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
    call = vertex(project=None, api_version="v1beta1").prepare(image_request(), offer("m", "vertex"), [])
    assert call.url.startswith(f"{BASE}/v1beta1/projects/of-the-environment/locations/global/")


@pytest.mark.parametrize("project", ["", "a/b", "../.."])
def test_a_missing_or_odd_project_is_one_sentence(vertex, project):
    with pytest.raises(HostUnavailable, match=r"for Google Cloud; set GOOGLE_CLOUD_PROJECT$"):
        vertex(project=project)


def test_the_token_comes_from_another_thread_and_is_sent_as_bearer_and_the_key_is_not(vertex):
    threads = []

    def token():
        threads.append(threading.current_thread())
        return "TOK"

    assert submitted(vertex(token=token)).content == PNG
    (request,) = vertex.sent
    assert request.headers["authorization"] == "Bearer TOK"
    assert "not-a-key" not in str(request.headers)
    assert len(threads) == 1
    assert threads != [threading.main_thread()]


def test_a_server_on_this_machine_gets_the_key_and_needs_no_account(vertex):
    host = vertex("simulated", "http://127.0.0.1:8080", project=None, token=None)
    assert isinstance(submitted(host), Finished)
    (request,) = vertex.sent
    assert request.headers["authorization"] == "Bearer simulated"
    assert str(request.url).startswith("http://127.0.0.1:8080/v1/projects/simulated/locations/global/")


@pytest.mark.parametrize(
    ("error", "reason", "stops"),
    [
        (HostUnavailable("Google gave no access token (expired)"), "no_token", "gcloud auth"),
        (ConnectionError("cannot be reached"), "no_connection", ""),
    ],
)
def test_without_a_token_nothing_is_sent(vertex, error, reason, stops):
    def token():
        raise error

    read = submitted(vertex(token=token))
    assert isinstance(read, Rejected)
    assert (read.reason, read.message) == (reason, str(error))
    assert stops in read.stops
    assert bool(read.stops) == bool(stops)
    assert vertex.sent == []


def test_a_token_is_renewed_when_it_has_expired_and_kept_until_then(credentials):
    token = application_token()
    assert [token(), token()] == ["token-1", "token-1"]
    credentials.expiry = PAST
    assert token() == "token-2"


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        ("TransportError", ConnectionError, "no route"),
        ("RefreshError", HostUnavailable, r"no access token \(no route\)$"),
    ],
)
def test_troubles_with_the_sign_in_are_told_apart(google_auth, credentials, monkeypatch, error, raised, message):
    from google.auth import exceptions

    def refresh(self, request):
        raise getattr(exceptions, error)("no route\nwith details")

    monkeypatch.setattr(type(credentials), "refresh", refresh)
    with pytest.raises(raised, match=message):
        application_token()()


def test_missing_credentials_are_one_sentence(monkeypatch, vertex, google_auth):
    from google.auth.exceptions import DefaultCredentialsError

    def default(scopes):
        raise DefaultCredentialsError("Your default credentials were not found.\nSee https://…")

    monkeypatch.setattr(google_auth, "default", default)
    with pytest.raises(HostUnavailable, match=r"no credentials for Google Cloud .*gcloud auth") as raised:
        vertex(token=None)
    assert "\n" not in str(raised.value)


def test_a_missing_library_is_one_sentence(monkeypatch, vertex):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(HostUnavailable, match=r"pip install 'twinlens\[vertex\]'"):
        vertex(token=None)


@pytest.mark.parametrize(("status", "name"), [(500, "INTERNAL"), (503, "UNAVAILABLE")])
def test_an_error_of_google_cloud_is_not_charged(vertex, status, name):
    read = vertex().read_submission(answer({"error": {"code": status, "message": "x", "status": name}}, status))
    assert read == Rejected(name, "x")
