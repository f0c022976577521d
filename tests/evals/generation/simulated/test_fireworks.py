"""The simulator of Fireworks against plain HTTP calls: pictures at once, and Kontext's request ids."""

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

KEY = "fw_secret"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
BASE = "/inference/v1/workflows/accounts/fireworks/models"
AT_ONCE = f"{BASE}/flux-1-schnell-fp8/text_to_image"
KONTEXT = f"{BASE}/flux-kontext-pro"
MODELS = [
    SimulatedModel("flux-1-schnell-fp8", "per_image", {"usd": 0.0014}, ("1K",), 0, plain_artist),
    SimulatedModel("accounts/fireworks/models/flux-kontext-pro", "per_image", {"usd": 0.04}, ("1K",), 1, plain_artist),
]


@contextmanager
def simulated(behaviour="ok", **settings):
    host = SimulatedHost(MODELS, KEY, script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({"fireworks": host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses["fireworks"], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, path=AT_ONCE, accept="image/png", key=KEY, **given):
    headers = {"Authorization": f"Bearer {key}", "Accept": accept}
    return client.post(path, json={"prompt": "a cat", **given}, headers=headers)


def result(client, request_id):
    return client.post(f"{KONTEXT}/get_result", json={"id": request_id}, headers=AUTHORIZED).json()


def request_of(client, **given):
    return submit(client, KONTEXT, **given).json()["request_id"]


def encoded(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


def is_black(picture):
    return picture.convert("RGB").getextrema() == ((0, 0), (0, 0), (0, 0))


# Pictures at once


@pytest.mark.parametrize(("accept", "format"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("*/*", "JPEG")])
def test_the_picture_comes_as_the_accept_header_says(accept, format):
    with simulated(work_s=0.1) as (client, books):
        begun = time.monotonic()
        answer = submit(client, accept=accept, seed=42)
        assert time.monotonic() - begun >= 0.1
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{format.lower()}")
    assert (answer.headers["finish-reason"], answer.headers["seed"]) == ("SUCCESS", "42")
    assert (opened(answer.content).size, opened(answer.content).format) == ((1024, 1024), format)
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.charged_usd, entry.outcome) == ("a cat", 42, 0.0014, "ok")


def test_json_holds_the_picture_in_base64():
    with simulated() as (client, _):
        told = submit(client, accept="application/json", seed=3, aspect_ratio="16:9").json()
    assert (told["finishReason"], told["seed"]) == ("SUCCESS", 3)
    prefix, _, content = told["base64"][0].partition(",")
    assert prefix == "data:image/png;base64"
    assert opened(base64.b64decode(content)).size == (1360, 768)


def test_a_declined_prompt_is_a_bad_request_and_a_withheld_picture_is_black():
    with simulated("refuse_prompt") as (client, books):
        answer = submit(client)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filtered")
        assert books.entries[0].outcome == "refused"
    with simulated("filter_image") as (client, books):
        answer = submit(client)
        assert (answer.status_code, answer.headers["finish-reason"]) == (200, "CONTENT_FILTERED")
        assert is_black(opened(answer.content))
        assert submit(client, accept="application/json").json()["finishReason"] == "CONTENT_FILTERED"
    assert [entry.outcome for entry in books.entries] == ["filtered", "filtered"]


@pytest.mark.parametrize(
    ("behaviour", "status", "outcome", "charged"),
    [
        ("error_status", 500, "turned_away", 0.0),
        ("moderated_request", 400, "refused", 0.0014),
        ("moderated_content", 200, "filtered", 0.0014),
        ("odd_status", 200, "ok", 0.0014),
        ("not_an_image", 200, "undeliverable", 0.0014),
        ("gateway_timeout", 504, "lost", 0.0014),
    ],
)
def test_what_a_task_would_end_in_is_told_as_well_as_it_can(behaviour, status, outcome, charged):
    with simulated(behaviour) as (client, books):
        assert submit(client).status_code == status
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, outcome)
    assert books.charged_usd == charged


def test_one_that_is_never_ready_never_answers():
    with simulated("never_ready") as (client, books), pytest.raises(httpx.ReadTimeout):
        client.post(AT_ONCE, json={"prompt": "a cat"}, headers=AUTHORIZED, timeout=0.2)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", 0.0014)


@pytest.mark.parametrize(
    ("path", "given"),
    [
        (AT_ONCE, {"prompt": None}),
        (AT_ONCE, {"aspect_ratio": "7:5"}),
        (AT_ONCE, {"num_inference_steps": 0}),
        (AT_ONCE, {"guidance_scale": "high"}),
        (AT_ONCE, {"seed": -1}),
        (AT_ONCE, {"width": 1024}),
        (AT_ONCE, {"input_image": encoded()}),
        (KONTEXT, {"output_format": "webp"}),
        (KONTEXT, {"safety_tolerance": 7}),
        (KONTEXT, {"input_image": "no picture"}),
        (KONTEXT, {"num_inference_steps": 4}),
    ],
)
def test_a_wrong_field_is_named_and_costs_nothing(path, given):
    with simulated() as (client, books):
        answer = submit(client, path, **given)
    assert answer.status_code == 400
    assert next(iter(given)) in answer.json()["error"]["message"]
    assert (books.entries, books.rejected) == ((), {("fireworks", 400): 1})


def test_each_model_is_known_under_its_own_kind_of_address():
    with simulated() as (client, books):
        for path in (f"{BASE}/flux-2-pro/text_to_image", f"{BASE}/flux-1-schnell-fp8", f"{KONTEXT}/text_to_image"):
            assert submit(client, path).status_code == 404
    assert books.entries == ()


# Kontext


def test_kontext_gives_a_request_id_that_becomes_ready():
    with simulated(work_s=0.15) as (client, books):
        request_id = request_of(client, seed=7, output_format="png", input_image=encoded())
        pending = result(client, request_id)
        assert (pending["id"], pending["status"], pending["result"]) == (request_id, "Pending", None)
        time.sleep(0.2)
        ready = result(client, request_id)
        assert (ready["status"], ready["result"]["seed"]) == ("Ready", 7)
        assert opened(client.get(ready["result"]["sample"]).content).format == "PNG"
    (entry,) = books.entries
    assert (entry.seed, entry.n_references, entry.charged_usd) == (7, 1, 0.04)
    assert (entry.outcome, entry.polls, entry.deliveries, entry.keys_at_delivery) == ("ok", 2, 1, 0)


@pytest.mark.parametrize(
    ("behaviour", "status", "outcome"),
    [
        ("moderated_request", "Request Moderated", "refused"),
        ("refuse_prompt", "Request Moderated", "refused"),
        ("moderated_content", "Content Moderated", "filtered"),
        ("error_status", "Error", "failed"),
        ("never_ready", "Pending", "open"),
    ],
)
def test_a_kontext_request_may_end_without_a_picture(behaviour, status, outcome):
    with simulated(behaviour) as (client, books):
        told = result(client, request_of(client))
    assert (told["status"], told["result"], books.entries[0].outcome) == (status, None, outcome)


def test_odd_statuses_come_before_ready():
    with simulated("odd_status") as (client, _):
        request_id = request_of(client)
        assert [result(client, request_id)["status"] for _ in range(3)] == ["Reasoning", "Generating", "Ready"]


def test_unknown_requests_are_not_found_and_need_the_key_all_the_same():
    with simulated() as (client, _):
        assert result(client, "nothing")["status"] == "Task not found"
        assert client.post(f"{KONTEXT}/get_result", json={"id": "x"}).status_code == 401
        assert client.post(f"{KONTEXT}/get_result", json={}, headers=AUTHORIZED).status_code == 400


def test_delivery_may_be_expired_and_notices_a_key():
    with simulated("expired") as (client, books):
        sample = result(client, request_of(client))["result"]["sample"]
        assert (client.get(sample).status_code, books.entries[0].outcome) == (403, "undeliverable")
    with simulated() as (client, books):
        client.get(result(client, request_of(client))["result"]["sample"], headers=AUTHORIZED)
        assert books.keys_at_delivery == 1
