"""The simulator of Replicate against plain HTTP calls."""

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

KEY = "r8_secret"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
PATH = "/v1/models/black-forest-labs/flux-2-pro/predictions"
PRICE = {"first": 0.03, "further": 0.015, "input": 0.015}
PRO = SimulatedModel("black-forest-labs/flux-2-pro", "megapixels", PRICE, ("512", "1K", "2K"), 8, plain_artist)
FLEX = SimulatedModel("black-forest-labs/flux-2-flex", "megapixels", PRICE, ("512", "1K", "2K"), 8, plain_artist)


@contextmanager
def simulated(behaviour="ok", **settings):
    host = SimulatedHost([PRO, FLEX], KEY, script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({"replicate": host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses["replicate"], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, headers=None, path=PATH, **given):
    small = {"aspect_ratio": "custom", "width": 256, "height": 256} if "aspect_ratio" not in given else {}
    return client.post(path, json={"input": {"prompt": "a cat", **small, **given}}, headers=headers or AUTHORIZED)


def ask(client, prediction):
    return client.get(prediction["urls"]["get"], headers=AUTHORIZED).json()


def picture_uri(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def delivered(client, prediction):
    return PIL.Image.open(io.BytesIO(client.get(prediction["output"]).content))


def test_a_prediction_starts_is_processed_and_succeeds():
    with simulated(queue_s=0.3, work_s=0.4) as (client, books):
        answer = submit(client, seed=42, output_format="png", aspect_ratio="1:1", resolution="1 MP")
        told = answer.json()
        assert (answer.status_code, told["status"], told["output"], told["error"]) == (201, "starting", None, None)
        assert (told["model"], told["input"]["seed"]) == ("black-forest-labs/flux-2-pro", 42)
        assert told["urls"]["get"] == f"{client.base_url}v1/predictions/{told['id']}"
        time.sleep(0.45)
        assert ask(client, told)["status"] == "processing"
        time.sleep(0.4)
        done = ask(client, told)
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert done["metrics"]["predict_time"] == pytest.approx(0.4, abs=1e-6)
        assert {"se", "sig"} <= set(httpx.URL(done["output"]).params)
        picture = delivered(client, done)
        assert (picture.size, picture.format) == ((1024, 1024), "PNG")
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.size, entry.charged_usd) == ("a cat", 42, "1024x1024", 0.03)
    assert (entry.outcome, entry.polls, entry.deliveries, entry.keys_at_delivery) == ("ok", 2, 1, 0)
    assert (entry.task_id, entry.ready_at - entry.arrived_at) == (told["id"], pytest.approx(0.7))


def test_prefer_wait_holds_the_answer_until_it_is_done():
    with simulated(work_s=0.2) as (client, _):
        answer = submit(client, headers={**AUTHORIZED, "Prefer": "wait"})
        assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
        assert delivered(client, answer.json()).size == (256, 256)


def test_prefer_wait_with_seconds_gives_up_waiting():
    with simulated(work_s=1.5) as (client, _):
        answer = submit(client, headers={**AUTHORIZED, "Prefer": "wait=1"})
        assert (answer.status_code, answer.json()["status"], answer.json()["output"]) == (202, "processing", None)


@pytest.mark.parametrize("prefer", ["wait=0", "wait=61"])
def test_prefer_wait_is_for_a_minute_at_most(prefer):
    with simulated() as (client, books):
        assert submit(client, headers={**AUTHORIZED, "Prefer": prefer}).status_code == 422
    assert books.entries == ()


@pytest.mark.parametrize(
    ("given", "format"), [({}, "WEBP"), ({"output_format": "jpg"}, "JPEG"), ({"output_format": "png"}, "PNG")]
)
def test_webp_is_what_comes_unless_something_else_is_asked_for(given, format):
    with simulated() as (client, _):
        assert delivered(client, submit(client, **given).json()).format == format


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"aspect_ratio": "1:1"}, "1024x1024"),
        ({"aspect_ratio": "1:1", "resolution": "0.5 MP"}, "720x720"),
        ({"aspect_ratio": "1:1", "resolution": "4 MP"}, "2048x2048"),
        ({"aspect_ratio": "16:9", "resolution": "1 MP"}, "1360x768"),
        ({"aspect_ratio": "16:9", "resolution": "4 MP"}, "2048x1152"),
        ({"aspect_ratio": "custom", "width": 500, "height": 256}, "512x256"),
        ({"aspect_ratio": "match_input_image", "input_images": [picture_uri(200, 100)]}, "1456x720"),
    ],
)
def test_shape_and_resolution_make_the_size(given, size):
    with simulated() as (client, books):
        assert submit(client, **given).status_code == 201
    assert books.entries[0].size == size


def test_references_are_charged_by_their_own_megapixels():
    with simulated() as (client, books):
        given = [picture_uri(1100, 1000), "https://example.org/a.png"]
        told = submit(client, input_images=given).json()
    assert "input_images" not in told["input"]
    assert (books.entries[0].n_references, books.charged_usd) == (2, pytest.approx(0.03 + 3 * 0.015))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"prompt": None}, "input.prompt"),
        ({"prompt": 7}, "input.prompt"),
        ({"steps": 50}, "input.steps"),
        ({"resolution": "1MP"}, "input.resolution"),
        ({"resolution": "8 MP"}, "input.resolution"),
        ({"aspect_ratio": "7:5"}, "input.aspect_ratio"),
        ({"aspect_ratio": "custom", "width": 512}, "input.height"),
        ({"aspect_ratio": "custom", "width": 255, "height": 512}, "input.width"),
        ({"aspect_ratio": "custom", "width": 2049, "height": 512}, "input.width"),
        ({"output_format": "jpeg"}, "input.output_format"),
        ({"output_quality": 101}, "input.output_quality"),
        ({"safety_tolerance": 6}, "input.safety_tolerance"),
        ({"safety_tolerance": 0}, "input.safety_tolerance"),
        ({"safety_tolerance": "2"}, "input.safety_tolerance"),
        ({"seed": 1.5}, "input.seed"),
        ({"input_images": picture_uri()}, "input.input_images"),
        ({"input_images": [picture_uri()] * 9}, "input.input_images"),
        ({"input_images": [picture_uri().partition(",")[2]]}, "input.input_images.0"),
    ],
)
def test_a_wrong_field_is_named_and_costs_nothing(given, field):
    with simulated() as (client, books):
        answer = submit(client, **given)
    told = answer.json()
    assert (answer.status_code, told["status"], told["title"]) == (422, 422, "Input validation failed")
    assert told["detail"].startswith(f"- {field}: ")
    assert told["invalid_fields"][0]["field"] == field
    assert (books.entries, books.rejected) == ((), {("replicate", 422): 1})


def test_eight_references_and_the_widest_bounds_are_let_in():
    with simulated() as (client, books):
        given = {"input_images": [picture_uri()] * 8, "output_quality": 0, "safety_tolerance": 5, "seed": 2**31 - 1}
        assert submit(client, **given).status_code == 201
    assert (books.entries[0].n_references, books.entries[0].seed) == (8, 2**31 - 1)


def test_flex_has_fields_of_its_own():
    path = "/v1/models/black-forest-labs/flux-2-flex/predictions"
    with simulated() as (client, _):
        assert submit(client, path=path, steps=50, guidance=1.5, prompt_upsampling=False).status_code == 201
        for wrong in ({"steps": 51}, {"guidance": 1}, {"prompt_upsampling": "no"}, {"safety": 1}):
            assert submit(client, path=path, **wrong).status_code == 422


def test_a_misspelt_top_field_is_named():
    with simulated() as (client, _):
        answer = client.post(PATH, json={"inptu": {"prompt": "a cat"}}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, "inptu")


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"X-Other": "1"}, "You did not pass an authentication token"),
        ({"Authorization": "Bearer wrong"}, "You did not pass a valid authentication token"),
        ({"Authorization": f"Key {KEY}"}, "You did not pass a valid authentication token"),
    ],
)
def test_without_the_token_nothing_is_let_in(headers, detail):
    with simulated() as (client, books):
        told = submit(client).json()
        for answer in (submit(client, headers=headers), client.get(told["urls"]["get"], headers=headers)):
            assert (answer.status_code, answer.json()["detail"]) == (401, detail)
            assert answer.json()["title"] == "Unauthenticated"
    assert len(books.entries) == 1


def test_unknown_models_and_predictions_are_not_found():
    with simulated() as (client, books):
        answer = submit(client, path="/v1/models/black-forest-labs/flux-9/predictions")
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
        assert client.get("/v1/predictions/nothing", headers=AUTHORIZED).status_code == 404
    assert books.entries == ()


@pytest.mark.parametrize(
    ("behaviour", "outcome", "words"),
    [
        ("moderated_request", "refused", "flagged as sensitive"),
        ("refuse_prompt", "refused", "flagged as sensitive"),
        ("moderated_content", "filtered", "NSFW"),
        ("filter_image", "filtered", "NSFW"),
        ("error_status", "failed", "unexpected error"),
    ],
)
def test_a_prediction_may_fail(behaviour, outcome, words):
    with simulated(behaviour) as (client, books):
        done = ask(client, submit(client).json())
    assert (done["status"], done["output"]) == ("failed", None)
    assert words in done["error"]
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, outcome)


def test_odd_statuses_come_before_success():
    with simulated("odd_status") as (client, _):
        told = submit(client).json()
        assert [ask(client, told)["status"] for _ in range(3)] == ["booting", "warming", "succeeded"]


def test_one_that_is_never_ready_stays_processing():
    with simulated("never_ready") as (client, books):
        told = submit(client).json()
        assert {ask(client, told)["status"] for _ in range(3)} == {"processing"}
    assert books.entries[0].outcome == "open"


def test_a_prediction_can_be_canceled_before_it_is_done():
    with simulated(work_s=0.2) as (client, books):
        told = submit(client).json()
        assert client.post(told["urls"]["cancel"], headers=AUTHORIZED).json()["status"] == "canceled"
        time.sleep(0.25)
        assert (ask(client, told)["status"], ask(client, told)["output"]) == ("canceled", None)
    assert books.entries[0].outcome == "failed"


def test_delivery_may_be_expired_or_no_picture_and_notices_a_key():
    with simulated("expired") as (client, books):
        assert client.get(ask(client, submit(client).json())["output"]).status_code == 403
        assert books.entries[0].outcome == "undeliverable"
    with simulated("not_an_image") as (client, books):
        content = client.get(ask(client, submit(client).json())["output"]).content
        assert content.startswith(b"<!DOCTYPE")
    with simulated() as (client, books):
        client.get(ask(client, submit(client).json())["output"], headers=AUTHORIZED)
        assert books.keys_at_delivery == 1
