"""The vote in a browser: a whole session by keyboard, blind to the outside, resumed after a reload and a kill."""

import multiprocessing
import socket
import time
import urllib.request

import pytest

from evals.run import Run
from evals.voting.pairs import voting_pairs
from evals.voting.store import VoteStore
from tests.browser.conftest import DESKTOP, PHONE, Opened
from tests.voting_run import serve_run, write_voting_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork"),
]


class Server:
    """The pages of a run in a process of their own, which can be killed and started again."""

    def __init__(self, run):
        self.run = run
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        self.process = multiprocessing.get_context("fork").Process(target=serve_run, args=(self.run, self.port))
        self.process.start()
        while self.process.is_alive():
            try:
                urllib.request.urlopen(self.address).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server ended")

    def kill(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def server(tmp_path):
    made = Server(write_voting_run(tmp_path / "run", n_prompts=3))
    yield made
    made.kill()


@pytest.fixture
def visited(chromium):
    contexts = []

    def visit(address, window=DESKTOP) -> Opened:
        context = chromium.new_context(viewport=window, has_touch=window is PHONE)
        contexts.append(context)
        # Nobody is to wait for the half second in which a page takes no answer.
        context.add_init_script("window.ms = 600; performance.now = () => window.ms")
        shown = Opened(context.new_page())
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("console", lambda message: shown.errors.append(message.text) if message.type == "error" else None)
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        shown.page.goto(address)
        return shown

    yield visit
    for context in contexts:
        context.close()


def begin(page, name="heron"):
    type_name(page, name)
    page.wait_for_selector("body.voting")


def type_name(page, name):
    page.wait_for_selector("#name:focus")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def press(page, key):
    """Press a key that leads to another page, and wait for it and its pictures."""
    page.wait_for_load_state()
    with page.expect_navigation():
        page.keyboard.press(key)


def question(page):
    return page.get_attribute("input[name=question]", "value")


def test_a_whole_session_by_keyboard(server, visited):
    shown = visited(server.address)
    page = shown.page
    assert shown.violations() == []
    begin(page)
    first = question(page)
    assert shown.violations() == []
    press(page, "a")
    press(page, "ArrowRight")
    press(page, "s")
    assert page.title().startswith("Vote 4 of ")
    fourth = question(page)
    press(page, "u")
    press(page, "u")
    assert page.title().startswith("Vote 2 of ")
    press(page, "x")
    press(page, "b")
    assert question(page) == fourth

    page.keyboard.press("f")
    page.wait_for_selector("dialog[open]")
    assert page.inner_text("#full-name") == "A"
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#full-name") == "B"
    assert shown.violations() == []
    page.keyboard.press("Escape")
    assert question(page) == fourth

    page.reload()
    assert question(page) == fourth
    server.kill()
    server.start()
    page.reload()
    assert question(page) == fourth
    while page.locator("body.voting").count():
        press(page, "a")
    assert "That was all" in page.inner_text("h1")
    assert shown.violations() == []
    outside = [one for one in shown.requests if not one.startswith((server.address, "data:"))]
    assert (outside, shown.errors) == ([], [])

    with VoteStore(server.run) as store:
        votes, asked = store.votes(), [row[0] for row in store._db.execute("SELECT id FROM questions ORDER BY number")]
    assert [one["answer"] for one in votes[:4]] == ["left", "both_bad", "right", "left"]
    assert (asked[0], asked[3]) == (first, fourth)
    pairs = voting_pairs(Run(server.run))
    assert sum(one["check"] is None for one in votes) == len(pairs)


def test_a_taken_name_is_asked_about_and_a_run_that_is_away_comes_back(server, visited):
    begin(visited(server.address).page)
    shown = visited(server.address)
    page = shown.page
    type_name(page, "Heron")
    page.wait_for_selector("text=Was it you?")
    assert shown.violations() == []
    page.click("text=It was me")
    page.wait_for_selector("body.voting")
    images = server.run / "images"
    images.rename(server.run / "away")
    press(page, "a")
    assert page.inner_text("h1") == "That did not work"
    assert shown.violations() == []
    (server.run / "away").rename(images)
    page.click("text=Try again")
    page.wait_for_selector("body.voting")
    assert page.title().startswith("Vote 2 of ")


@pytest.mark.parametrize(
    "answer", [lambda page: page.keyboard.press("a"), lambda page: page.click("button[value=left]")]
)
def test_a_picture_that_did_not_come_is_asked_for_again_and_not_judged(server, visited, answer):
    page = visited(server.address).page
    page.route("**/right/page", lambda route: route.abort(), times=1)
    begin(page)
    first = question(page)
    page.wait_for_load_state()
    with page.expect_navigation():
        answer(page)
    assert (question(page), page.title()[:9]) == (first, "Vote 1 of")
    page.wait_for_load_state()
    with page.expect_navigation():
        answer(page)
    assert page.title().startswith("Vote 2 of ")


@pytest.mark.parametrize(
    "answer", [lambda page: page.keyboard.press("a"), lambda page: page.click("button[value=left]")]
)
def test_the_second_half_of_a_double_click_is_no_vote_on_the_next_pair(server, visited, answer):
    page = visited(server.address).page
    page.add_init_script("window.ms = 400")
    begin(page)
    page.wait_for_load_state()
    answer(page)
    page.wait_for_load_state("networkidle")
    assert page.title().startswith("Vote 1 of ")
    page.evaluate("window.ms = 600")
    with page.expect_navigation():
        answer(page)
    assert page.title().startswith("Vote 2 of ")


LANDSCAPE = {"width": 844, "height": 390}


@pytest.mark.parametrize(
    ("window", "smallest"), [(DESKTOP, 240), (PHONE, 240), (LANDSCAPE, 190)], ids=["desktop", "phone", "landscape"]
)
def test_question_pictures_and_answers_fit_the_window(server, visited, window, smallest):
    shown = visited(server.address, window)
    begin(shown.page)
    seen = set()
    while len(seen) < 2:  # the text row has two pictures, the edits have three
        shown.page.wait_for_load_state()
        assert shown.cut() <= 0
        assert shown.height() <= window["height"]
        sides = shown.page.evaluate("[...document.querySelectorAll('.look')].map((one) => one.offsetWidth)")
        assert min(sides[-2:]) >= smallest
        assert shown.violations() == []
        seen.add(len(sides))
        press(shown.page, "a")
    assert shown.errors == []
