"""What every host behind HTTP does alike: what it sends, what became of it, where the key and pictures may go."""

import asyncio

import httpx2 as httpx
import pytest

from evals.generation.answers import (
    Accepted,
    Ended,
    Expired,
    Finished,
    MalformedResponse,
    OutcomeUnknown,
    Rejected,
    Running,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts import transport
from evals.generation.hosts.transport import HttpCall
from tests.evals.generation.hosts.conftest import KEY, Plain, image_request, offer

BASE = "https://api.vendor.ai"
BEARER = f"Bearer {KEY}"
MAKE = HttpCall("POST", f"{BASE}/make", {"Authorization": BEARER}, {"prompt": "猫"})
TASK = Task("t1", f"{BASE}/tasks/t1")
PICTURE = "https://pictures.example/1.png"
plain = Plain.answered


def submit(answers, call=MAKE):
    return asyncio.run(plain(answers).submit(call))


def poll(answers, task=TASK):
    return asyncio.run(plain(answers).poll(task))


def download(answers, url=PICTURE, base_url=None):
    return asyncio.run(plain(answers, base_url).download(url))


def redirect(location, status=302):
    return httpx.Response(status, headers={"Location": location})


@pytest.mark.parametrize(("size", "seconds"), [("1K", 120), ("4K", 300)])
def test_a_call_carries_the_key_and_its_record_does_not_and_a_larger_picture_may_take_longer(size, seconds):
    call = plain([]).prepare(image_request("猫", size=size), offer("m", "vendor"), [])
    assert call == HttpCall("POST", MAKE.url, MAKE.headers, MAKE.body, seconds, "猫")
    assert call.record() == {"method": "POST", "url": f"{BASE}/make", "body": {"prompt": "猫"}}
    assert KEY not in repr(call)


def test_the_body_is_sent_as_json_in_utf_8():
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={"id": "t1", "poll": TASK.polling_url})

    assert submit(answer) == Accepted(TASK)
    assert seen[0].headers["content-type"] == "application/json"
    assert seen[0].content == '{"prompt": "猫"}'.encode()


@pytest.mark.parametrize(
    "prompt",
    [
        "a poor man who is out of funds",
        'the user account has been suspended, says "a sign"',
        "nsfw, flagged",
        "interrupted; please retry in 3 hours – 猫",
    ],
)
@pytest.mark.parametrize("status", [422, 200])
def test_a_prompt_that_an_error_quotes_does_not_decide_what_it_means(prompt, status):
    error = httpx.Response(status, json={"error": f"cannot draw '{prompt}'"})
    host = plain([error, httpx.Response(200, json={"id": "t1", "poll": TASK.polling_url}), error])
    call = host.prepare(image_request(prompt), offer("m", "vendor"), [])

    async def asked():
        return await host.submit(call), await host.submit(call), await host.poll(TASK)

    read, accepted, polled = asyncio.run(asked())
    assert accepted == Accepted(TASK)
    assert read == polled == Ended("failed", "http_422" if status == 422 else "http_400", "cannot draw '...'")


def test_images_are_recorded_by_hash():
    record = HttpCall("POST", BASE, body={"images": ["A" * 3000], "prompt": "a " * 2000}).record()
    assert record["body"]["images"][0].startswith("sha256:")
    assert record["body"]["images"][0].endswith("(3000 characters)")
    assert record["body"]["prompt"] == "a " * 2000


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError])
def test_what_never_left_can_be_sent_again(error):
    assert submit([error("in words")]) == Rejected("no_connection", "in words")


LOST = ["ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "CloseError", "RemoteProtocolError", "DecodingError"]


@pytest.mark.parametrize("error", [getattr(httpx, name) for name in LOST])
def test_what_was_sent_and_not_answered_is_lost_and_a_poll_leaves_the_task_running(error):
    assert isinstance(submit([error("in words")]), OutcomeUnknown)
    assert isinstance(poll([error("in words")]), Running)


@pytest.mark.parametrize("url", ["ftp://vendor.ai/make", "vendor.ai/make", "https://vendor.ai:port/make"])
def test_an_address_that_is_none_stops_the_system_before_anything_is_sent(url):
    read = asyncio.run(Plain(Plain.facts, KEY).submit(HttpCall("POST", url, {}, {})))
    assert isinstance(read, Rejected)
    assert read.stops == "check the host's address and its key"


@pytest.mark.parametrize("status", [408, 499, 502, 504, 520, 524])
def test_a_gateway_that_gave_up_says_nothing_about_the_work(status):
    assert submit([httpx.Response(status, text="Bad gateway")]) == OutcomeUnknown(f"http_{status}", "Bad gateway")


@pytest.mark.parametrize("content", [b"<html>", b"", b"[]", b'{"neither": 1}', b'{"url": ""}', b"[" * 100_000])
def test_garbage_with_200_is_lost(content):
    read = submit([httpx.Response(200, content=content)])
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "malformed_response"


def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(transport, "_LARGEST_ANSWER", 1000)
    read = submit([httpx.Response(200, content=b" " * 1001)])
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "MalformedResponse"
    with pytest.raises(MalformedResponse):
        download([httpx.Response(200, content=b" " * 1001)])


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_submission_that_is_redirected_stops_the_system_and_the_key_does_not_travel(status):
    seen = []

    def answer(request):
        seen.append(request.url.host)
        return redirect("https://elsewhere.example/make?sig=1", status)

    read = submit(answer)
    assert isinstance(read, Rejected)
    assert read.stops
    assert read.message == "it redirects to elsewhere.example"
    assert seen == ["api.vendor.ai"]


@pytest.mark.parametrize("status", [302, 303])
def test_a_submission_that_is_told_to_look_elsewhere_may_have_been_taken_in(status):
    assert isinstance(submit([redirect(f"{BASE}/tasks/t1", status)]), OutcomeUnknown)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json={"status": None, "done": True}),
        httpx.Response(200, json={"done": True, "url": ""}),
        redirect("https://elsewhere.example/"),
        httpx.ConnectError("in words"),
    ],
)
def test_a_poll_that_cannot_be_understood_leaves_the_task_running(answer):
    assert isinstance(poll([answer]), Running)


def test_a_poll_follows_a_further_call_of_the_host_with_the_key():
    seen = []

    def answer(request):
        seen.append((str(request.url), request.headers["authorization"]))
        if request.url.path == "/tasks/t1":
            return httpx.Response(200, json={"next": "https://eu.vendor.ai/result"})
        return httpx.Response(200, json={"done": True, "url": PICTURE})

    assert poll(answer) == Finished(url=PICTURE)
    assert seen == [(TASK.polling_url, BEARER), ("https://eu.vendor.ai/result", BEARER)]


def test_further_calls_without_end_leave_the_task_running():
    assert isinstance(poll(lambda request: httpx.Response(200, json={"next": TASK.polling_url})), Running)


ELSEWHERE = (
    "https://elsewhere.example/tasks/t1", "https://notvendor.ai/tasks/t1",
    "https://vendor.ai.elsewhere.example/tasks/t1", "http://api.vendor.ai/tasks/t1", "http://127.0.0.1:1/",
    "https://api.vendor.ai:8443/tasks/t1", "https://key@api.vendor.ai/tasks/t1",
    "https://api.vendor.ai@elsewhere.example/", "https://elsewhere.example\\@api.vendor.ai/",
    "https://elsewhere.example\n.api.vendor.ai/", "https://api.vendor。ai/", "https://[api.vendor.ai/",
    "https://elsewhere.example[v1.vendor.ai]/", "https://elsewhere.example%2f.vendor.ai/",
    "https://elsewhere.example;x.vendor.ai/", "https://api.vendor.ai:port/", "//api.vendor.ai/tasks/t1", "",
)  # fmt: skip


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_key_goes_to_an_address_that_is_not_the_vendors(url):
    sent = []
    with pytest.raises(UntrustedUrl, match="no key was sent there"):
        poll(lambda request: sent.append(request) or httpx.Response(200, json={}), Task("t1", url))
    assert sent == []
    with pytest.raises(UntrustedUrl):
        poll([httpx.Response(200, json={"next": url})])


def test_the_key_of_a_server_on_this_machine_stays_there():
    host = plain([], base_url="http://127.0.0.1:8080/vendor")
    assert host.owns("http://127.0.0.1:8080/anything")
    assert not host.owns("http://127.0.0.1:8081/")
    assert not host.owns("https://api.vendor.ai/")


def test_a_picture_is_fetched_without_the_key_even_from_the_vendor():
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, content=b"picture")

    for url in ("https://pictures.example/1.png?sig=x", f"{BASE}/1.png"):
        assert download(answer, url) == b"picture"
    assert all(KEY not in str(request.headers) + str(request.url) for request in seen)


def test_a_download_follows_a_few_redirects():
    hops = [redirect(f"/{number}.png") for number in range(3)]
    assert download([*hops, httpx.Response(200, content=b"ok")]) == b"ok"
    with pytest.raises(httpx.TransportError):
        download([*hops, hops[0], httpx.Response(200)])


INSIDE = (
    "http://pictures.example/1.png", "ftp://pictures.example/1.png", "https://localhost/1.png",
    "https://localhost./1.png", "https://127.0.0.1/1.png", "https://127.1/1.png", "https://0x7f.0.0.1/1.png",
    "https://2130706433/1.png", "https://10.0.0.8/1.png", "https://169.254.169.254/latest/meta-data",
    "https://metadata.google.internal/", "https://[::1]/1.png", "https://[::ffff:127.0.0.1]/1.png",
    "https://printer/1.png", "https://[bad/1.png", "file:///etc/passwd", "",
)  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_no_picture_is_fetched_from_inside(url):
    sent = []
    with pytest.raises(UntrustedUrl):
        download(lambda request: sent.append(request) or httpx.Response(200, content=b"x"), url)
    assert sent == []
    if url:
        with pytest.raises(UntrustedUrl):
            download([redirect(url)])


def test_a_server_on_this_machine_delivers_from_this_machine_only():
    here = "http://localhost:8080"
    assert download([httpx.Response(200, content=b"ok")], "http://127.0.0.1:9999/1.png", here) == b"ok"
    with pytest.raises(UntrustedUrl):
        download([], PICTURE, here)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_address_that_is_no_longer_served_has_expired(status):
    with pytest.raises(Expired):
        download([httpx.Response(status)])


BROKEN_GZIP = httpx.ByteStream(b"\x1f\x8b" + b"\0" * 9)


@pytest.mark.parametrize(
    "answer",
    [
        *map(httpx.Response, (204, 304, 429, 500, 503)),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=BROKEN_GZIP),
    ],
)
def test_a_delivery_host_with_trouble_can_be_asked_again(answer):
    with pytest.raises(httpx.TransportError):
        download([answer])
