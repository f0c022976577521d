"""Connections: how long they are used again, what may come through them, what the environment may say of them."""

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx2 as httpx
import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Finished, HostUnavailable, MalformedResponse, OutcomeUnknown, Rejected
from evals.generation.hosts import load_host, transport
from evals.generation.hosts.bfl import Bfl
from evals.generation.hosts.transport import new_client
from tests.evals.generation.hosts.conftest import KEY, Plain, client, image_request

FINISHED = b'{"url": "http:x"}'


def http(content, *headers, length=None):
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {length or len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


def answering(raw, heads=None, silent_s=0.0):
    """Return what a server does that answers with raw bytes and hangs up."""

    async def serve(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
        for start in range(0, len(raw), 64):
            writer.write(raw[start : start + 64])
            with suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(silent_s)
        writer.close()

    return serve


@asynccontextmanager
async def served(serve, key=KEY):
    """Serve connections on this machine; yields a host there."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = Plain(Plain.facts, key, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield host
    finally:
        await host.aclose()
        server.close()


async def post(host, answer_s=30.0):
    return await host.submit(replace(host.post("make", {}), answer_s=answer_s))


def posted(serve, key=KEY, **settings):

    async def run():
        async with served(serve, key) as host:
            return await post(host, **settings)

    return asyncio.run(run())


@pytest.mark.parametrize(("idle_s", "n_connections"), [(1e6, 1), (0.0, 2)])
def test_a_connection_is_used_again_while_it_is_fresh_and_not_after(monkeypatch, idle_s, n_connections):
    assert transport._IDLE_S < 2.0, "servers close an idle connection after two seconds or more"
    monkeypatch.setattr(transport, "_IDLE_S", idle_s)
    connections = []

    async def serve(reader, writer):
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(http(FINISHED))
        writer.close()

    async def run():
        async with served(serve) as host:
            return [await post(host), await post(host)]

    assert [type(answer) for answer in asyncio.run(run())] == [Finished] * 2
    assert len(connections) == n_connections


def test_layers_of_compression_are_refused_before_they_are_unpacked():
    content = gzip.compress(gzip.compress(bytes(64 * 2**20)))
    assert len(content) < 4096

    async def run():
        async with served(answering(http(content, *["Content-Encoding: gzip"] * 2))) as host:
            with pytest.raises(MalformedResponse, match="not asked for"):
                await host.download(f"{host.base_url}/1.png")
            return await post(host)

    read = asyncio.run(run())
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "MalformedResponse"


def test_one_layer_is_unpacked_and_no_other_is_asked_for():
    heads = []
    raw = http(gzip.compress(FINISHED), "Content-Encoding: GZIP")
    assert posted(answering(raw, heads)) == Finished(url="http:x")
    lines = heads[0].lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"accept-encoding")] == [b"accept-encoding: gzip"]


BROKEN_GZIP = (b"\x1f\x8b" + b"\0" * 40, gzip.compress(b'{"id": 1}', mtime=0)[:10] + b"\xff" * 10)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (http(b'{"url": "https', length=500), "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
        *((http(content, "Content-Encoding: gzip"), "ReadError") for content in BROKEN_GZIP),
    ],
)
def test_an_answer_that_breaks_off_or_cannot_be_unpacked_is_lost(raw, reason):
    read = posted(answering(raw))
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == reason


def test_an_answer_that_trickles_in_is_given_up():
    read = posted(answering(http(b" " * 5000), silent_s=0.05), answer_s=0.1)
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "ReadTimeout"


@pytest.mark.parametrize("key", ["line\r\nbreak-secret", "schlüssel-secret"])
def test_a_key_that_no_header_can_carry_stops_the_system_and_is_not_quoted(key):
    read = posted(answering(http(FINISHED)), key)
    assert isinstance(read, Rejected)
    assert read.stops
    assert "secret" not in repr(read)


class _Damaged(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b'{"url": '
        raise ssl.SSLError(1, "decryption failed or bad record mac")


def test_a_damaged_record_costs_one_answer_and_not_the_run():
    host = Plain.answered(lambda request: httpx.Response(200, stream=_Damaged()))
    assert asyncio.run(post(host)) == OutcomeUnknown("ReadError", "the connection broke (SSLError)")
    with pytest.raises(httpx.TransportError):
        asyncio.run(host.download("https://pictures.example/1.png"))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ALL_PROXY", "socks5://me:s3cret-word@127.0.0.1:1080", r"httpx2\[socks\]"),
        ("HTTPS_PROXY", "gopher://me:s3cret-word@127.0.0.1:1", "HTTPS_PROXY"),
        ("HTTPS_PROXY", "http://me:s3cret-word@127.0.0.1:port", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/there/is/no/s3cret-word.pem", "SSL_CERT_FILE"),
    ],
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_one_sentence(monkeypatch, variable, value, message):
    monkeypatch.setenv(variable, value)
    with pytest.raises(HostUnavailable, match=message) as raised:
        new_client()
    assert "s3cret-word" not in str(raised.value)


def test_the_proxy_of_the_environment_does_not_see_a_server_on_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert isinstance(posted(answering(http(FINISHED))), Finished)


def test_a_login_in_netrc_does_not_replace_the_key(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine api.bfl.ai login me password my-password\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={"id": "t"})

    facts = read_facts()
    host = Bfl(facts.hosts["bfl"], KEY, client=client(answer, trust_env=True))
    asyncio.run(host.submit(host.prepare(image_request(), facts.find("flux-2-pro@bfl"), [])))
    assert seen[0]["x-key"] == KEY
    assert "authorization" not in seen[0]


READABLE = (
    "http://api.bfl.ai", "http://192.168.1.20:8080", "https://me:password@proxy.example", "ftp://api.bfl.ai",
    "api.bfl.ai", "https://api.bfl.ai:port", "https://api.bfl。ai",
)  # fmt: skip


@pytest.mark.parametrize("base_url", READABLE)
@pytest.mark.parametrize("name", ["google", "vertex", "bfl"])
def test_no_key_is_given_to_an_address_where_others_can_read_it(name, base_url):
    facts = read_facts().hosts[name]
    for facts_there, stand_in in ((facts, base_url), (facts.model_copy(update={"base_url": base_url}), None)):
        with pytest.raises(HostUnavailable, match="must begin with https://") as raised:
            load_host(facts_there, KEY, stand_in)
        assert KEY not in str(raised.value)


def test_a_server_of_ones_own_that_asks_for_no_key_may_be_anywhere():
    comfyui = load_host(read_facts().hosts["comfyui"], None, "http://192.168.1.20:8188")
    assert comfyui.owns("http://192.168.1.20:8188/history/1")
    comfyui.check_delivery("http://192.168.1.20:8188/view?filename=1.png")
