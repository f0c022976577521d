"""The vote over HTTP: nothing tells the system, nobody foreign gets in, no vote is lost when the server is killed."""

import asyncio
import contextlib
import io
import multiprocessing
import re
import socket
import sqlite3

import aiohttp
import PIL.Image
import pytest
from aiohttp.test_utils import TestClient, TestServer

from evals.imageset.contract import SAMPLES
from evals.run import Run
from evals.voting.application import VotingPages
from evals.voting.choosing import Choice, choose
from evals.voting.pairs import voting_pairs
from evals.voting.pictures import framed
from evals.voting.store import VoteStore
from tests.voting_run import run_apart, serve_run, write_voting_run

QUESTION = re.compile(r'name="question" value="([\w-]+)"')


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(write_voting_run(tmp_path_factory.mktemp("voting") / "run-of-somebody", n_prompts=12))


@pytest.fixture(autouse=True)
def _no_votes(run):
    yield
    for path in run.path.glob("votes*"):
        path.unlink()


def visit(run, scenario, token=""):
    """Run a scenario, an async function of a client, against the pages of a run."""

    async def go():
        pairs = voting_pairs(run)
        with VoteStore(run.path, pairs) as store:
            application = VotingPages(run, store, pairs, token).application()
            async with TestClient(TestServer(application), cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
                await scenario(client)
            return store.votes()

    return run_apart(asyncio.run, go())


async def asked(client, root=""):
    return QUESTION.search(await (await client.get(f"{root}/vote?on")).text())[1]


async def vote(client, answer="left", n=1):
    for _ in range(n):
        question = await asked(client)
        response = await client.post("/vote", data={"question": question, "answer": answer}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, "/vote")


def test_nothing_in_pages_addresses_and_headers_tells_the_system_or_the_machine(run):
    samples = run.samples
    telling = {
        *samples["system"],
        *samples["sample_id"],
        *samples["prompt_id"],
        *samples["file_name"],
        *samples["suite"],
    }
    telling |= {name.partition("@")[0] for name in samples["system"]} | {
        name.split("@")[1] for name in samples["system"]
    }
    telling |= {name.split("/")[-1][:-4] for name in samples["file_name"]}
    telling |= {str(run.path), run.path.name, "aiohttp", "Python", SAMPLES, "signs", "text.cer"}
    said = []

    async def look(client):
        await client.post("/voter", data={"name": "heron"})
        for _ in range(4):
            page = await client.get("/vote?on")
            text = await page.text()
            said.extend([text, repr(page.headers), str(page.url)])
            for address in re.findall(r'(?:src|data-full)="(/picture/[^"]+)"', text):
                picture = await client.get(address)
                content = await picture.read()
                said.extend([address, repr(picture.headers), content.decode("latin-1")])
                with PIL.Image.open(io.BytesIO(content)) as opened:
                    assert opened.size in ((768, 768), (1536, 1536))
                    assert opened.info.keys() <= {"background", "loop", "duration", "timestamp"}
            await vote(client)
        for path in ("/", "/nowhere", "/picture/x/left/page"):
            said.extend([await (await client.get(path)).text()])

    visit(run, look)
    everything = "\n".join(said)
    assert len(said) > 30
    assert [word for word in sorted(telling) if word.lower() in everything.lower()] == []


def test_markup_in_a_prompt_or_a_name_stays_text(run):
    async def look(client):
        answer = await client.post("/voter", data={"name": "<b>x"})
        assert answer.status == 422
        assert "&lt;b&gt;x" in await answer.text()
        await client.post("/voter", data={"name": "heron"})
        assert "&lt;b&gt;&amp;&lt;/b&gt;" in await (await client.get("/vote")).text()

    visit(run, look)


def test_pages_may_load_nothing_and_be_framed_by_nobody(run):
    async def look(client):
        headers = (await client.get("/")).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "Server" not in headers

    visit(run, look)


def test_a_foreign_page_or_name_of_this_machine_is_refused(run):
    async def intrude(client):
        assert (await client.get("/", headers={"Host": "evil.example"})).status == 403
        await client.post("/voter", data={"name": "heron"})
        form = {"question": await asked(client), "answer": "left"}
        for origin in ("http://evil.example", "null"):
            assert (await client.post("/vote", data=form, headers={"Origin": origin})).status == 403

    assert visit(run, intrude) == []


def test_a_wider_address_has_a_token_without_which_nothing_is_found(run):
    async def look(client):
        for path in ("/", "/vote", "/wrong/", "/wrong/vote"):
            assert (await client.get(path, headers={"Host": "studio.example"})).status == 404
        assert (await client.get("/tok/", headers={"Host": "studio.example"})).status == 200
        await client.post("/tok/voter", data={"name": "heron"})
        assert (await client.get("/tok/vote")).status == 200

    visit(run, look, token="tok")


def test_nobody_sees_or_answers_the_question_of_another(run):
    async def look(client):
        await client.post("/voter", data={"name": "heron"})
        question = await asked(client)
        assert (await client.get(f"/picture/{question}/left/page")).status == 200
        await client.post("/voter", data={"name": "gull"})
        assert (await client.get(f"/picture/{question}/left/page")).status == 404
        await client.post("/vote", data={"question": question, "answer": "left"})
        assert (await client.post("/vote", data={"question": question, "answer": "winner"})).status == 400

    assert visit(run, look) == []


def test_a_rest_comes_after_forty_and_the_end_after_all(run):
    async def go(client):
        assert (await client.get("/vote")).url.path == "/"  # who are you?
        await client.post("/voter", data={"name": "heron"})
        await vote(client, n=23)
        await client.post("/undo")
        await vote(client, "tie")
        while "That was all" not in (text := await (await client.get("/vote?on")).text()):
            await vote(client)
        assert "Undo" in text
        await client.post("/forget")
        assert (await client.get("/vote")).url.path == "/"

    assert visit(run, go) == []


def test_the_same_name_goes_on_where_it_was_once_it_is_said_to_be_the_same_person(run):
    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        await vote(client, n=3)
        question = await asked(client)
        assert (await client.post("/voter", data={"name": "heron"})).url.path == "/vote"  # the cookie says who it is
        client.session.cookie_jar.clear()
        answer = await client.post("/voter", data={"name": "Heron"})  # a phone's keyboard begins with a capital
        assert (answer.status, "Was it you?" in await answer.text()) == (409, True)
        assert (await client.get("/vote")).url.path == "/"
        await client.post("/voter", data={"name": "Heron", "mine": "yes"})
        assert await asked(client) == question

    assert {one["voter"] for one in visit(run, go)} == {"heron"}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Host": "["}, b"name=x"),
        ({"Origin": "http://["}, b"name=x"),
        ({"Cookie": "voter=\udcff"}, b"name=<"),
        ({"Content-Type": f"{FORM}; charset=none"}, b"name=x"),
        ({"Content-Type": f"{FORM}; charset=utf-16"}, b"name=xyz"),
        ({}, b"name=\xff"),
        ({}, b"name=" + b"x" * 2_000_000),
        ({"Content-Type": "multipart/form-data"}, b"name=x"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"name=x"),
        ({"Content-Encoding": "gzip"}, b"name=x"),
    ],
)
def test_what_no_page_sends_is_refused_and_fails_nothing(headers, body, run, caplog):
    async def send(client):
        lines = {"Host": "127.0.0.1", "Connection": "close", "Content-Type": FORM, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in (lines | headers).items())
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(f"POST /voter HTTP/1.1\r\n{head}\r\n".encode(errors="surrogateescape") + body)
        assert int((await reader.readline()).split()[1]) in range(400, 500)
        writer.close()

    assert visit(run, send) == []
    assert not [record for record in caplog.records if record.exc_info]


def test_a_store_that_cannot_be_written_is_told_and_the_vote_can_be_given_again(run, monkeypatch):
    monkeypatch.setattr("evals.voting.store._PATIENCE_S", 0)

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        form = {"question": await asked(client), "answer": "left"}
        with contextlib.closing(sqlite3.connect(run.path / "votes.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await client.post("/vote", data=form)
            assert (answer.status, "What you answered before is kept" in await answer.text()) == (503, True)
            named = await client.post("/voter", data={"name": "gull"})
            assert (named.status, str(run.path) in await named.text()) == (503, False)
        assert (await client.post("/vote", data=form)).status == 200

    assert [one["answer"] for one in visit(run, go)] == ["left"]


def test_a_table_that_cannot_be_written_is_tried_again_with_the_next_vote(run, monkeypatch):
    monkeypatch.setattr("evals.voting.application._BETWEEN_EXPORTS_S", 0)
    written = asyncio.Event()

    def export(store, tries=[]):  # noqa: B006 - counts its calls
        tries.append(store)
        if len(tries) == 1:
            raise OSError("no space left on device")
        written.set()

    monkeypatch.setattr(VoteStore, "export", export)

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        await vote(client, n=3)
        await asyncio.wait_for(written.wait(), 30)

    assert len(visit(run, go)) == 3


def test_a_pair_with_a_picture_that_cannot_be_shown_is_not_asked(run, monkeypatch, caplog):
    broken = set(run.samples.index[run.samples["prompt_id"].eq("signs-id-3")])
    monkeypatch.setattr(run, "image_path", lambda name, of=run.image_path: None if name in broken else of(name))

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        while "That was all" not in await (await client.get("/vote?on")).text():
            await vote(client)

    votes = visit(run, go)
    assert len({(one["row"], one["prompt_id"]) for one in votes}) == 23
    assert not broken & {sample for one in votes for sample in (*one["left"], *one["right"])}
    assert "signs-id-3 has a picture that is not there any more" in caplog.text


def test_a_stranger_that_cannot_be_shown_in_a_check_takes_its_own_pair_away_and_not_the_asked_one(
    run, monkeypatch, caplog
):
    asked, stranger, *_ = (pair for pair in voting_pairs(run) if pair.suite == "signs")
    monkeypatch.setattr(
        run, "image_path", lambda name, of=run.image_path: None if name in stranger.first.samples else of(name)
    )
    checks = [Choice(asked, asked.first, stranger.first, "shuffled_prompt")]
    monkeypatch.setattr("evals.voting.store.choose", lambda *known: checks.pop() if checks else choose(*known))

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        while "That was all" not in await (await client.get("/vote?on")).text():
            await vote(client)

    voted = {(one["row"], one["prompt_id"]) for one in visit(run, go) if one["check"] is None}
    assert voted == {(pair.row, pair.prompt_id) for pair in voting_pairs(run)} - {(stranger.row, stranger.prompt_id)}
    assert [record.getMessage().split(" has a picture")[0] for record in caplog.records] == [
        f"not asked: row {stranger.row}, prompt {stranger.prompt_id}"
    ]


def test_while_the_run_is_away_nobody_is_asked_and_then_it_goes_on(tmp_path):
    run = Run(write_voting_run(tmp_path / "run", n_prompts=2))

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        run.image_set.rename(tmp_path / "away")
        assert (await client.get("/vote")).status == 503
        (tmp_path / "away").rename(run.image_set)
        await vote(client)

    assert len(visit(run, go)) == 1


def test_all_frames_of_a_question_are_made_at_once_before_its_page_is_shown(run, monkeypatch):
    made = []
    monkeypatch.setattr("evals.voting.application.framed", lambda *asked: made.append(asked) or framed(*asked))

    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        page = await (await client.get("/vote")).text()
        assert len(made) == 1
        for address in re.findall(r'src="(/picture/[^"]+)"', page):
            assert (await client.get(address)).status == 200
        assert len(made) == 1

    visit(run, go)


def test_who_deletes_the_votes_while_a_question_is_open_has_none(run):
    async def go(client):
        await client.post("/voter", data={"name": "heron"})
        await vote(client, n=2)
        form = {"question": await asked(client), "answer": "left"}
        await client.post("/forget")
        assert (await client.post("/vote", data=form)).url.path == "/"

    assert visit(run, go) == []


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_ten_voters_at_once_and_twenty_kills_lose_no_vote_and_count_none_twice(run, monkeypatch):
    monkeypatch.setattr("evals.voting.application.framed", lambda sides, _: dict.fromkeys(sides, b""))
    n_voters, n_votes, n_kills = 10, 22, 20
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def start():
        process = multiprocessing.get_context("fork").Process(target=serve_run, args=(run.path, port))
        process.start()
        return process

    taken, kills = {}, 0
    server = start()

    async def persist(call):
        """Ask until an answer comes, as a person at a page that does not load does."""
        while True:
            try:
                async with call() as response:
                    return response.status, await response.text()
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(0.02)

    async def voter(name):
        nonlocal kills, server
        here = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await persist(lambda: session.post(f"{here}/voter", data={"name": name}))
            for n in range(n_votes):
                _, page = await persist(lambda: session.get(f"{here}/vote?on"))
                form = {"question": QUESTION.search(page)[1], "answer": "left" if n % 2 else "tie"}
                post = {"data": form, "allow_redirects": False}
                status, _ = await persist(lambda post=post: session.post(f"{here}/vote", **post))
                assert status == 303
                taken[name, form["question"]] = form["answer"]
                if kills < n_kills and len(taken) >= 10 * (kills + 1):
                    kills += 1
                    server.kill()
                    server.join()
                    server = start()

    async def everybody():
        await asyncio.gather(*(voter(f"voter {n}") for n in range(n_voters)))

    try:
        run_apart(asyncio.run, everybody())
    finally:
        server.kill()
        server.join()
    assert kills == n_kills
    with VoteStore(run.path) as store:
        rows = store._db.execute(
            "SELECT name, questions.id, answer FROM questions JOIN voters ON voters.id = voter WHERE answer IS NOT NULL"
        ).fetchall()
        assert {(name, question): answer for name, question, answer in rows} == taken
        assert len(rows) == len(taken) == n_voters * n_votes
        votes = store.votes()
    asked_of = [(one["voter"], one["row"], one["prompt_id"]) for one in votes if one["check"] is None]
    assert len(asked_of) == len(set(asked_of))
