"""Of several pictures the first final one is taken on every host, and the others are known by number and place."""

import base64

import pytest

from evals.generation.answers import Ended, Task
from tests.evals.generation.hosts.conftest import answer, opened

PNG = b"\x89PNG\r\n\x1a\n"
ENCODED = base64.b64encode(PNG).decode()
FIRST, SECOND, THIRD = (f"https://pictures.example/{name}.png" for name in ("first", "second", "third"))
URLS = [FIRST, SECOND, THIRD]
TASK = Task("t", "https://queue.fal.run/t/status", "https://queue.fal.run/t")
OF_POLLS = {
    "fal": {"images": [{"url": url} for url in URLS]},
    "replicate": {"id": "t", "status": "succeeded", "output": URLS},
    "atlascloud": {"data": {"id": "t", "status": "completed", "outputs": URLS}},
}


@pytest.mark.parametrize("name", OF_POLLS)
def test_the_first_is_taken_and_the_others_are_known(name):
    read = opened(name).read_poll(answer(OF_POLLS[name]), TASK)
    assert (read.url, read.others, read.metadata.n_pictures) == (FIRST, (SECOND, THIRD), 3)


def test_pictures_inside_an_answer_are_treated_the_same():
    read = opened("fireworks").read_submission(answer({"base64": [ENCODED] * 2, "finishReason": "SUCCESS"}))
    assert (read.content, read.others, read.metadata.n_pictures) == (PNG, (PNG,), 2)


@pytest.mark.parametrize(
    ("flags", "url", "others"),
    [([False, False, True], FIRST, (SECOND,)), ([True, False], SECOND, (THIRD,)), ([True] * 3, None, ())],
)
@pytest.mark.parametrize(("name", "field"), [("fal", "has_nsfw_concepts"), ("atlascloud", "has_nsfw_contents")])
def test_a_picture_that_was_withheld_is_not_the_first(name, field, flags, url, others):
    body = {**OF_POLLS[name], "data": {**OF_POLLS[name].get("data", {}), field: flags}, field: flags}
    read = opened(name).read_poll(answer(body), TASK)
    if url is None:
        assert (type(read), read.outcome, read.reason) == (Ended, "filtered", field)
    else:
        assert (read.url, read.others) == (url, others)
