"""The simulator of AtlasCloud against plain HTTP calls."""

from __future__ import annotations

import base64
import io
import time
from contextlib import contextmanager

import httpx2 as httpx
import PIL.Image
import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.server import serve
from evals.generation.simulated.service import SimulatedHost, SimulatedModel, Simulation

KEY = "apikey-secret"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
MODEL, EDIT = "black-forest-labs/flux-2-pro/text-to-image", "black-forest-labs/flux-2-pro/edit"
PRO = SimulatedModel(MODEL, "per_image", {"usd": 0.03}, ("512", "1K"), 2, plain_artist, EDIT)


@contextmanager
def simulated(behaviour="ok", **settings):
    host = SimulatedHost([PRO], KEY, script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({"atlascloud": host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses["atlascloud"], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, **given):
    body = {"model": MODEL, "prompt": "a cat", "size": "256*256", **given}
    body = {name: value for name, value in body.items() if value is not ...}
    return client.post("/api/v1/model/generateImage", json=body, headers=AUTHORIZED)


def ask(client, answer):
    return client.get(f"/api/v1/model/prediction/{answer.json()['data']['id']}", headers=AUTHORIZED).json()["data"]


def encoded(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


def test_a_prediction_is_processed_and_completed():
    with simulated(work_s=0.15) as (client, books):
        answer = submit(client, size="1024*768", seed=42, output_format="png")
        told = answer.json()
        assert (answer.status_code, told["code"], told["data"]["status"]) == (200, 200, "processing")
        assert ask(client, answer)["status"] == "processing"
        time.sleep(0.2)
        done = ask(client, answer)
        assert (done["status"], done["error"], done["has_nsfw_contents"]) == ("completed", "", [False])
        assert done["timings"]["inference"] == 150
        picture = opened(client.get(done["outputs"][0]).content)
        assert (picture.size, picture.format) == ((1024, 768), "PNG")
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.size, entry.charged_usd) == ("a cat", 42, "1024x768", 0.03)
    assert (entry.outcome, entry.polls, entry.deliveries, entry.keys_at_delivery) == ("ok", 2, 1, 0)


def test_both_words_for_done_are_used():
    with simulated() as (client, _):
        assert [ask(client, submit(client))["status"] for _ in range(3)] == ["completed", "succeeded", "completed"]


def test_jpeg_of_1024_pixels_comes_unless_something_else_is_asked_for():
    with simulated() as (client, _):
        picture = opened(client.get(ask(client, submit(client, size=...))["outputs"][0]).content)
    assert (picture.size, picture.format) == ((1024, 1024), "JPEG")


def test_edits_have_a_model_name_of_their_own_and_take_pictures():
    with simulated() as (client, books):
        images = [encoded(), f"data:image/png;base64,{encoded()}"]
        assert ask(client, submit(client, model=EDIT, images=images))["status"] == "completed"
    assert (books.entries[0].n_references, books.entries[0].api_id) == (2, MODEL)


def test_base64_output_holds_the_picture():
    with simulated() as (client, _):
        (output,) = ask(client, submit(client, enable_base64_output=True))["outputs"]
    assert opened(base64.b64decode(output)).size == (256, 256)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": ...}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"size": "1:1"}, "size"),
        ({"size": "2048*2048"}, "size"),
        ({"size": "128*128"}, "size"),
        ({"seed": "42"}, "seed"),
        ({"output_format": "webp"}, "output_format"),
        ({"model": EDIT}, "images"),
        ({"model": EDIT, "images": [encoded()] * 3}, "images"),
        ({"model": EDIT, "images": ["no picture"]}, "images"),
    ],
)
def test_a_wrong_field_is_named_and_costs_nothing(given, words):
    with simulated() as (client, books):
        answer = submit(client, **given)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, None)
    assert words in answer.json()["message"]
    assert (books.entries, books.rejected) == ((), {("atlascloud", 400): 1})


def test_a_negative_seed_asks_for_any():
    with simulated() as (client, books):
        submit(client, seed=-1)
    assert books.entries[0].seed is None


def test_unknown_models_and_predictions_are_not_found_and_need_the_key():
    with simulated() as (client, books):
        assert submit(client, model="black-forest-labs/flux-9").status_code == 404
        assert client.get("/api/v1/model/prediction/nothing", headers=AUTHORIZED).status_code == 404
        assert client.get("/api/v1/model/prediction/nothing").status_code == 401
    assert books.entries == ()


@pytest.mark.parametrize(
    ("behaviour", "outcome", "words"),
    [
        ("moderated_request", "refused", "prompt was rejected"),
        ("text_only", "refused", "prompt was rejected"),
        ("moderated_content", "filtered", "NSFW"),
        ("filter_image", "filtered", "NSFW"),
        ("error_status", "failed", "model failed"),
    ],
)
def test_a_prediction_may_fail(behaviour, outcome, words):
    with simulated(behaviour) as (client, books):
        done = ask(client, submit(client))
    assert (done["status"], done["outputs"]) == ("failed", None)
    assert words in done["error"]
    assert done["has_nsfw_contents"] == [outcome == "filtered"]
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, outcome)


def test_odd_statuses_come_before_completion():
    with simulated("odd_status") as (client, _):
        answer = submit(client)
        assert [ask(client, answer)["status"] for _ in range(3)] == ["created", "dispatched", "completed"]


def test_one_that_is_never_ready_stays_processing():
    with simulated("never_ready") as (client, books):
        answer = submit(client)
        assert {ask(client, answer)["status"] for _ in range(3)} == {"processing"}
    assert books.entries[0].outcome == "open"


def test_delivery_may_be_expired_and_notices_a_key():
    with simulated("expired") as (client, books):
        output = ask(client, submit(client))["outputs"][0]
        assert (client.get(output).status_code, books.entries[0].outcome) == (403, "undeliverable")
    with simulated() as (client, books):
        client.get(ask(client, submit(client))["outputs"][0], headers=AUTHORIZED)
        assert books.keys_at_delivery == 1
