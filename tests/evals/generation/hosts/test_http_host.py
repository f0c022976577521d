from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from contextlib import suppress

import httpx2 as httpx
import pytest

from evals.generation.answers import (
    Accepted,
    Expired,
    Finished,
    OutcomeUnknown,
    Rejected,
    Running,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts import transport
from evals.generation.hosts.polling_host import PollingHost
from evals.generation.hosts.transport import HttpCall

KEY = "sk-0123456789abcdef"
BASE = "https://api.vendor.ai"
TASK = Task("t1", f"{BASE}/tasks/t1")


class Plain(PollingHost):
    """A host whose answer to a POST is a task or a picture's address, and whose polls give an address."""

    def submission(self, image_request, offer, references):
        url = f"{self.base_url}/make"
        return HttpCall("POST", url, self.keyed(url), {"prompt": image_request.prompt})

    def read_task(self, answer):
        body = answer.json()
        return Task(body["id"], body["poll"]) if "id" in body else Finished(url=body["url"])

    def read_state(self, answer, task):
        body = answer.json()
        if "next" in body:
            return HttpCall("GET", body["next"], self.keyed(body["next"]))
        return Finished(url=body["url"]) if body.get("done") else Running(body["status"])


@pytest.fixture
def plain(host_facts, client) -> Callable[..., Plain]:
    """Return a builder of a host whose answers are a function of the request, or are given one after the other."""

    def build(answers: Callable[[httpx.Request], httpx.Response] | Sequence[httpx.Response], base=BASE) -> Plain:
        queue = [] if callable(answers) else list(answers)
        answering = answers if callable(answers) else lambda request: queue.pop(0)
        return Plain(host_facts("vendor", BASE, "vendor.ai"), KEY, base, client(answering))

    return build


@pytest.fixture
def call(plain, image_request, offer) -> HttpCall:
    return plain([]).prepare(image_request(), offer("m", "vendor"), [])


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


def submitted_to(
    raw: bytes, host_facts, image_request, offer, answer_s: float | None = None, silent_s: float = 0.0, key=KEY
):
    """Submit to a server on this machine that answers with raw bytes and hangs up, and return what became of it."""

    async def run():
        async def serve(reader, writer):
            with suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
            for start in range(0, max(1, len(raw)), 64):
                writer.write(raw[start : start + 64])
                with suppress(ConnectionError):
                    await writer.drain()
                await asyncio.sleep(silent_s)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host = Plain(host_facts("vendor", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), key)
        prepared = host.prepare(image_request(), offer("m", "vendor"), [])
        if answer_s is not None:
            prepared = HttpCall(prepared.method, prepared.url, prepared.headers, prepared.body, answer_s)
        try:
            return await host.submit(prepared)
        finally:
            await host.aclose()
            server.close()

    return asyncio.run(run())


# What is sent


def test_the_call_carries_the_key_and_its_record_does_not(call):
    assert (call.method, call.url, call.headers) == ("POST", f"{BASE}/make", {"Authorization": f"Bearer {KEY}"})
    assert call.record() == {"method": "POST", "url": f"{BASE}/make", "body": {"prompt": "a cat"}}
    assert KEY not in repr(call)


def test_the_body_is_sent_as_json_in_utf_8(plain, image_request, offer):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": "t1", "poll": TASK.polling_url})

    host = plain(answer)
    read = asyncio.run(host.submit(host.prepare(image_request(prompt="猫"), offer("m", "vendor"), [])))
    assert read == Accepted(TASK)
    assert seen[0].headers["content-type"] == "application/json"
    assert seen[0].content == '{"prompt": "猫"}'.encode()


def test_images_are_recorded_by_hash():
    record = HttpCall("POST", BASE, body={"images": ["A" * 3000], "prompt": "a " * 2000}).record()
    assert record["body"]["images"][0].startswith("sha256:")
    assert record["body"]["images"][0].endswith("(3000 characters)")
    assert record["body"]["prompt"] == "a " * 2000


@pytest.mark.parametrize(("size", "seconds"), [("1K", 120), ("4K", 300)])
def test_a_larger_picture_may_take_longer(plain, image_request, offer, size, seconds):
    assert plain([]).prepare(image_request(size=size), offer("m", "vendor"), []).answer_s == seconds


# What became of it


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("no answer"),
        httpx.PoolTimeout("busy"),
        httpx.ProxyError("407 Proxy Authentication Required"),
    ],
)
def test_what_never_left_can_be_sent_again(plain, call, error):
    read = asyncio.run(plain(raising(error)).submit(call))
    assert isinstance(read, Rejected)
    assert (read.reason, read.stops, read.may_have_cost) == ("no_connection", "", False)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("silence"),
        httpx.WriteTimeout("stuck"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.CloseError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.DecodingError("bad gzip"),
    ],
)
def test_what_was_sent_and_not_answered_is_lost(plain, call, error):
    assert isinstance(asyncio.run(plain(raising(error)).submit(call)), OutcomeUnknown)


def test_an_address_that_is_none_stops_the_system_before_anything_is_sent(host_facts):
    host = Plain(host_facts("vendor", BASE), KEY)
    for url in ("ftp://vendor.ai/make", "vendor.ai/make", "https://vendor.ai:port/make"):
        read = asyncio.run(host.submit(HttpCall("POST", url, {}, {})))
        assert isinstance(read, Rejected), url
        assert read.stops == "check the host's address and its key"


@pytest.mark.parametrize("key", ["line\r\nbreak-secret", "schlüssel-secret"])
def test_a_key_that_no_header_can_carry_stops_the_system_and_is_not_quoted(host_facts, image_request, offer, key):
    read = submitted_to(b"HTTP/1.1 200 OK\r\n\r\n", host_facts, image_request, offer, key=key)
    assert isinstance(read, Rejected)
    assert read.stops
    assert "secret" not in repr(read)


@pytest.mark.parametrize("status", [408, 499, 502, 504, 520, 524])
def test_a_gateway_that_gave_up_says_nothing_about_the_work(plain, call, status):
    read = asyncio.run(plain([httpx.Response(status, text="Bad gateway")]).submit(call))
    assert read == OutcomeUnknown(f"http_{status}", "Bad gateway")


@pytest.mark.parametrize("content", [b"<html>", b"", b"[]", b'{"neither": 1}', b'{"url": ""}', b"[" * 100_000])
def test_garbage_with_200_is_lost(plain, call, content):
    read = asyncio.run(plain([httpx.Response(200, content=content)]).submit(call))
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "malformed_response"


BROKEN_GZIP = (b"\x1f\x8b" + b"\0" * 40, gzip.compress(b'{"id": 1}')[:10] + b"\xff" * 10)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"url": "https', "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
        *(
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body, "ReadError")
            for body in BROKEN_GZIP
        ),
    ],
)
def test_an_answer_that_breaks_off_or_cannot_be_unpacked_is_lost(host_facts, image_request, offer, raw, reason):
    read = submitted_to(raw, host_facts, image_request, offer)
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == reason


def test_an_answer_that_trickles_in_is_given_up(host_facts, image_request, offer):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000
    read = submitted_to(raw, host_facts, image_request, offer, answer_s=0.1, silent_s=0.05)
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "ReadTimeout"


def test_an_answer_without_end_is_given_up(plain, call, monkeypatch):
    monkeypatch.setattr(transport, "_LARGEST_ANSWER", 1000)
    read = asyncio.run(plain([httpx.Response(200, content=b" " * 1001)]).submit(call))
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "MalformedResponse"


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_submission_that_is_redirected_stops_the_system_and_the_key_does_not_travel(plain, call, status):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(status, headers={"Location": "https://elsewhere.example/make?sig=1"})

    read = asyncio.run(plain(answer).submit(call))
    assert isinstance(read, Rejected)
    assert read.stops
    assert read.message == "it redirects to elsewhere.example"
    assert seen == ["api.vendor.ai"]


def test_a_submission_that_is_told_to_look_elsewhere_may_have_been_taken_in(plain, call):
    for status in (302, 303):
        answer = httpx.Response(status, headers={"Location": f"{BASE}/tasks/t1"})
        assert isinstance(asyncio.run(plain([answer]).submit(call)), OutcomeUnknown)


# Polling


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json={"status": None, "done": True}),
        httpx.Response(200, json={"done": True, "url": ""}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
    ],
)
def test_a_poll_that_cannot_be_understood_leaves_the_task_running(plain, response):
    assert isinstance(asyncio.run(plain([response]).poll(TASK)), Running)


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.DecodingError("x")])
def test_a_poll_that_fails_leaves_the_task_running(plain, error):
    assert isinstance(asyncio.run(plain(raising(error)).poll(TASK)), Running)


def test_a_poll_follows_a_further_call_of_the_host_with_the_key(plain):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.headers["authorization"]))
        if request.url.path == "/tasks/t1":
            return httpx.Response(200, json={"next": "https://eu.vendor.ai/result"})
        return httpx.Response(200, json={"done": True, "url": "https://pictures.example/1.png"})

    assert asyncio.run(plain(answer).poll(TASK)) == Finished(url="https://pictures.example/1.png")
    assert seen == [(TASK.polling_url, f"Bearer {KEY}"), ("https://eu.vendor.ai/result", f"Bearer {KEY}")]


def test_further_calls_without_end_leave_the_task_running(plain):
    host = plain(lambda request: httpx.Response(200, json={"next": TASK.polling_url}))
    assert isinstance(asyncio.run(host.poll(TASK)), Running)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/tasks/t1",
        "https://notvendor.ai/tasks/t1",
        "https://vendor.ai.elsewhere.example/tasks/t1",
        "http://api.vendor.ai/tasks/t1",
        "https://api.vendor.ai:8443/tasks/t1",
        "https://key@api.vendor.ai/tasks/t1",
        "https://elsewhere.example\\@api.vendor.ai/",
        "https://elsewhere.example\n.api.vendor.ai/",
        "https://api.vendor。ai/",
        "https://[api.vendor.ai/",
        "https://elsewhere.example[v1.vendor.ai]/",
        "https://elsewhere.example%2f.vendor.ai/",
        "https://api.vendor.ai:port/",
        "//api.vendor.ai/tasks/t1",
        "",
    ],
)
def test_no_key_goes_to_an_address_that_is_not_the_vendors(plain, url):
    sent = []
    host = plain(lambda request: sent.append(request) or httpx.Response(200, json={}))
    with pytest.raises(UntrustedUrl, match="no key was sent there"):
        asyncio.run(host.poll(Task("t1", url)))
    assert sent == []


def test_an_address_that_a_poll_names_is_checked_as_well(plain):
    host = plain(lambda request: httpx.Response(200, json={"next": "https://elsewhere.example/result"}))
    with pytest.raises(UntrustedUrl):
        asyncio.run(host.poll(TASK))


def test_the_key_of_a_server_on_this_machine_stays_there(plain):
    host = plain([], base="http://127.0.0.1:8080/vendor")
    assert host.owns("http://127.0.0.1:8080/anything")
    assert not host.owns("http://127.0.0.1:8081/")
    assert not host.owns("https://api.vendor.ai/")


# Delivery


def test_a_picture_is_fetched_without_the_key_even_from_the_vendor(plain):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"picture")

    for url in ("https://pictures.example/1.png?sig=x", f"{BASE}/1.png"):
        assert asyncio.run(plain(answer).download(url)) == b"picture"
    assert all(KEY not in str(request.headers) + str(request.url) for request in seen)


def test_a_download_follows_a_few_redirects(plain):
    hops = [httpx.Response(302, headers={"Location": f"/{number}.png"}) for number in range(3)]
    assert asyncio.run(plain([*hops, httpx.Response(200, content=b"ok")]).download("https://a.example/x")) == b"ok"
    with pytest.raises(httpx.TransportError):
        asyncio.run(plain([*hops, hops[0], httpx.Response(200)]).download("https://a.example/x"))


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/1.png",
        "ftp://pictures.example/1.png",
        "https://localhost/1.png",
        "https://localhost./1.png",
        "https://127.0.0.1/1.png",
        "https://127.1/1.png",
        "https://0x7f.0.0.1/1.png",
        "https://2130706433/1.png",
        "https://10.0.0.8/1.png",
        "https://169.254.169.254/latest/meta-data",
        "https://metadata.google.internal/",
        "https://[::1]/1.png",
        "https://[::ffff:127.0.0.1]/1.png",
        "https://printer/1.png",
        "https://[bad/1.png",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_picture_is_fetched_from_inside(plain, url):
    sent = []
    host = plain(lambda request: sent.append(request) or httpx.Response(200, content=b"x"))
    with pytest.raises(UntrustedUrl):
        asyncio.run(host.download(url))
    redirect = httpx.Response(302, headers={"Location": url or "//"})
    if ":" in url:
        with pytest.raises(UntrustedUrl):
            asyncio.run(plain([redirect]).download("https://pictures.example/1.png"))
    assert sent == []


def test_a_server_on_this_machine_delivers_from_this_machine_only(plain):
    host = plain([httpx.Response(200, content=b"ok")], base="http://localhost:8080")
    assert asyncio.run(host.download("http://127.0.0.1:9999/1.png")) == b"ok"
    with pytest.raises(UntrustedUrl):
        asyncio.run(host.download("https://pictures.example/1.png"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_address_that_is_no_longer_served_has_expired(plain, status):
    with pytest.raises(Expired):
        asyncio.run(plain([httpx.Response(status)]).download("https://pictures.example/1.png"))


@pytest.mark.parametrize("status", [204, 304, 429, 500, 503])
def test_a_delivery_host_with_trouble_can_be_asked_again(plain, status):
    with pytest.raises(httpx.TransportError):
        asyncio.run(plain([httpx.Response(status)]).download("https://pictures.example/1.png"))


def test_a_download_that_cannot_be_unpacked_can_be_asked_again(plain):
    broken = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8b" + b"\0" * 9))
    with pytest.raises(httpx.TransportError):
        asyncio.run(plain([broken]).download("https://pictures.example/1.png"))
