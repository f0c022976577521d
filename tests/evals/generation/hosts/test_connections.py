"""Connections: how long they are used again, what may come through them, what the environment may say of them."""

from __future__ import annotations

import asyncio
import gzip
import io
import ssl
from contextlib import asynccontextmanager, suppress

import httpx2 as httpx
import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Finished, HostUnavailable, MalformedResponse, OutcomeUnknown
from evals.generation.hosts import load_host, transport
from evals.generation.hosts.bfl import Bfl
from evals.generation.hosts.http_host import HttpHost
from evals.generation.hosts.transport import HttpCall, new_client

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"url": "http:x"}'


class Plain(HttpHost):
    """A host whose answer to a POST names the picture's address."""

    def read_picture(self, answer):
        return Finished(url=answer.json()["url"])


@asynccontextmanager
async def served(host_facts, serve):
    """Serve connections on this machine; yields a host there."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = Plain(host_facts("vendor", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), "a-secret-key")
    try:
        yield host
    finally:
        await host.aclose()
        server.close()


async def post(host):
    return await host.submit(HttpCall("POST", f"{host.base_url}/make", {}, {}))


@pytest.mark.parametrize(("idle_s", "n_connections"), [(1e6, 1), (0.0, 2)])
def test_a_connection_is_used_again_while_it_is_fresh_and_not_after(host_facts, monkeypatch, idle_s, n_connections):
    assert transport._IDLE_S < 2.0, "servers close an idle connection after two seconds or more"
    monkeypatch.setattr(transport, "_IDLE_S", idle_s)
    connections = []

    async def serve(reader, writer):
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(ANSWER)
        writer.close()

    async def run():
        async with served(host_facts, serve) as host:
            return [await post(host), await post(host)]

    assert [type(answer) for answer in asyncio.run(run())] == [Finished] * 2
    assert len(connections) == n_connections


def zipped(mib, layers):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as writer:
        for _ in range(mib):
            writer.write(bytes(2**20))
    content = packed.getvalue()
    for _ in range(layers - 1):
        content = gzip.compress(content)
    return content


def test_layers_of_compression_are_refused_before_they_are_unpacked(host_facts):
    content = zipped(64, layers=2)
    assert len(content) < 4096
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head % len(content) + content)
        writer.close()

    async def run():
        async with served(host_facts, serve) as host:
            with pytest.raises(MalformedResponse, match="not asked for"):
                await host.download(f"{host.base_url}/1.png")
            return await post(host)

    read = asyncio.run(run())
    assert isinstance(read, OutcomeUnknown)
    assert read.reason == "MalformedResponse"


def test_one_layer_is_unpacked_and_no_other_is_asked_for(host_facts):
    content = gzip.compress(b'{"url": "http:x"}')
    heads = []

    async def serve(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n" % len(content) + content
        )
        writer.close()

    async def run():
        async with served(host_facts, serve) as host:
            return await post(host)

    assert asyncio.run(run()) == Finished(url="http:x")
    assert [line for line in heads[0].lower().split(b"\r\n") if line.startswith(b"accept-encoding")] == [
        b"accept-encoding: gzip"
    ]


class _Damaged(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b'{"url": '
        raise ssl.SSLError(1, "decryption failed or bad record mac")


def test_a_damaged_record_costs_one_answer_and_not_the_run(host_facts, client):
    facts = host_facts("vendor", "https://api.vendor.ai", "vendor.ai")
    host = Plain(facts, "a-secret-key", client=client(lambda request: httpx.Response(200, stream=_Damaged())))
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


def test_the_proxy_of_the_environment_does_not_see_a_server_on_this_machine(host_facts, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async def run():
        async with served(host_facts, serve) as host:
            return await post(host)

    assert isinstance(asyncio.run(run()), Finished)


def test_a_login_in_netrc_does_not_replace_the_key(image_request, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine api.bfl.ai login me password my-password\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={"id": "t"})

    facts = read_facts()
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=True)
    host = Bfl(facts.hosts["bfl"], "a-secret-key", client=client)
    asyncio.run(host.submit(host.prepare(image_request(), facts.find("flux-2-pro@bfl"), [])))
    assert seen[0]["x-key"] == "a-secret-key"
    assert "authorization" not in seen[0]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.bfl.ai",
        "http://192.168.1.20:8080",
        "https://me:password@proxy.example",
        "ftp://api.bfl.ai",
        "api.bfl.ai",
        "https://api.bfl.ai:port",
        "https://api.bfl。ai",
    ],
)
@pytest.mark.parametrize("name", ["google", "vertex", "bfl"])
def test_no_key_is_given_to_an_address_where_others_can_read_it(name, base_url):
    facts = read_facts().hosts[name]
    for open_host in (
        lambda: load_host(facts, "a-secret-key", base_url),
        lambda: load_host(facts.model_copy(update={"base_url": base_url}), "a-secret-key"),
    ):
        with pytest.raises(HostUnavailable, match="must begin with https://") as raised:
            open_host()
        assert "a-secret-key" not in str(raised.value)


def test_a_server_of_ones_own_that_asks_for_no_key_may_be_anywhere():
    comfyui = load_host(read_facts().hosts["comfyui"], None, "http://192.168.1.20:8188")
    assert comfyui.owns("http://192.168.1.20:8188/history/1")
    comfyui.check_delivery("http://192.168.1.20:8188/view?filename=1.png")
