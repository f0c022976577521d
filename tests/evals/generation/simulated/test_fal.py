"""The simulator of fal's queue against plain HTTP calls."""

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

KEY = "id:secret"
AUTHORIZED = {"Authorization": f"Key {KEY}"}
PRICE = {"first": 0.03, "further": 0.015, "input": 0.015}
PRO = SimulatedModel(
    "fal-ai/flux-2-pro", "megapixels", PRICE, ("512", "1K", "2K"), 2, plain_artist, "fal-ai/flux-2-pro/edit"
)
BANANA = SimulatedModel(
    "fal-ai/nano-banana-2",
    "per_image",
    {"usd": {"512": 0.06, "1K": 0.08, "2K": 0.12}},
    ("512", "1K", "2K"),
    2,
    plain_artist,
)


@contextmanager
def simulated(behaviour="ok", **settings):
    host = SimulatedHost([PRO, BANANA], KEY, script=lambda arrival, prompt: behaviour, **settings)
    simulation = Simulation({"fal": host})
    # Loading the certificates of the web would take longer than the whole test.
    with (
        serve(simulation) as addresses,
        httpx.Client(base_url=addresses["fal"], timeout=5.0, verify=False) as client,
    ):
        yield client, simulation.books


def submit(client, path="/fal-ai/flux-2-pro", headers=None, **given):
    body = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}, **given}
    body = {name: value for name, value in body.items() if value is not ...}
    return client.post(path, json=body, headers=headers or AUTHORIZED)


def status(client, told):
    return client.get(told["status_url"], headers=AUTHORIZED)


def response(client, told):
    return client.get(told["response_url"], headers=AUTHORIZED)


def picture_uri(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def delivered(client, answer):
    return PIL.Image.open(io.BytesIO(client.get(answer.json()["images"][0]["url"]).content))


def test_a_request_waits_in_the_queue_is_in_progress_and_completes():
    with simulated(queue_s=0.3, work_s=0.4) as (client, books):
        answer = submit(client, image_size="square_hd", seed=42, output_format="png")
        told = answer.json()
        assert answer.status_code == 200
        here = f"{client.base_url}fal-ai/flux-2-pro/requests/{told['request_id']}"
        assert (told["response_url"], told["status_url"], told["cancel_url"]) == (
            here,
            f"{here}/status",
            f"{here}/cancel",
        )
        waiting = status(client, told)
        assert (waiting.status_code, waiting.json()["status"]) == (202, "IN_QUEUE")
        assert waiting.json()["queue_position"] == 0
        early = response(client, told)
        assert (early.status_code, early.json()) == (400, {"detail": "Request is still in progress"})
        time.sleep(0.45)
        working = status(client, told)
        assert (working.status_code, working.json()["status"]) == (202, "IN_PROGRESS")
        time.sleep(0.4)
        done = status(client, told)
        assert (done.status_code, done.json()["status"]) == (200, "COMPLETED")
        assert done.json()["metrics"]["inference_time"] == pytest.approx(0.4, abs=1e-6)
        result = response(client, told)
        assert result.status_code == 200
        assert (result.json()["seed"], result.json()["prompt"]) == (42, "a cat")
        assert result.json()["has_nsfw_concepts"] == [False]
        assert result.json()["timings"]["inference"] == pytest.approx(0.4, abs=1e-6)
        (image,) = result.json()["images"]
        assert (image["width"], image["height"], image["content_type"]) == (1024, 1024, "image/png")
        picture = delivered(client, result)
        assert (picture.size, picture.format) == ((1024, 1024), "PNG")
    (entry,) = books.entries
    assert (entry.prompt, entry.seed, entry.size, entry.charged_usd) == ("a cat", 42, "1024x1024", 0.03)
    assert (entry.outcome, entry.polls, entry.deliveries, entry.keys_at_delivery) == ("ok", 3, 1, 0)


def test_edits_go_to_a_path_of_their_own_and_come_back_without_it():
    with simulated() as (client, books):
        told = submit(client, "/fal-ai/flux-2-pro/edit", image_urls=[picture_uri(96, 80)], image_size=...).json()
        assert "/edit" not in told["status_url"] + told["response_url"]
        assert delivered(client, response(client, told)).size == (96, 80)
    assert (books.entries[0].n_references, books.charged_usd) == (1, pytest.approx(0.045))


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        (..., (1024, 768)),
        ("square", (512, 512)),
        ("portrait_16_9", (576, 1024)),
        ({"width": 80, "height": 96}, (80, 96)),
    ],
)
def test_a_size_has_a_name_or_width_and_height(size, pixels):
    with simulated() as (client, _):
        picture = delivered(client, response(client, submit(client, image_size=size).json()))
    assert (picture.size, picture.format) == (pixels, "JPEG")


def test_nano_banana_is_asked_by_resolution_and_told_with_a_description():
    with simulated() as (client, books):
        told = submit(client, "/fal-ai/nano-banana-2", image_size=..., aspect_ratio="1:1", resolution="0.5K").json()
        answer = response(client, told)
        assert set(answer.json()) == {"images", "description"}
        assert delivered(client, answer).size == (512, 512)
        wrong = response(client, submit(client, "/fal-ai/nano-banana-2", resolution="8K").json())
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "resolution"])
    assert books.charged_usd == 0.06


def test_in_sync_mode_the_picture_is_in_the_answer():
    with simulated() as (client, _):
        url = response(client, submit(client, sync_mode=True).json()).json()["images"][0]["url"]
    prefix, _, content = url.partition(",")
    assert prefix == "data:image/jpeg;base64"
    assert PIL.Image.open(io.BytesIO(base64.b64decode(content))).size == (64, 64)


def test_without_a_seed_one_is_chosen_and_told():
    with simulated() as (client, books):
        told = submit(client).json()
        seed = response(client, told).json()["seed"]
        assert seed == response(client, told).json()["seed"]
        assert 0 <= seed < 2**31
    assert books.entries[0].seed is None


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("", {"prompt": ...}, "prompt"),
        ("", {"prompt": 7}, "prompt"),
        ("", {"safety_tolerance": 2}, "safety_tolerance"),
        ("", {"safety_tolerance": "6"}, "safety_tolerance"),
        ("", {"safety_tolerance": "0"}, "safety_tolerance"),
        ("", {"image_size": "1:1"}, "image_size"),
        ("", {"image_size": "auto"}, "image_size"),
        ("", {"image_size": {"width": 64}}, "image_size"),
        ("", {"image_size": {"width": 64, "height": 0}}, "image_size"),
        ("", {"image_size": {"width": 4096, "height": 4096}}, "image_size"),
        ("", {"seed": "42"}, "seed"),
        ("", {"output_format": "webp"}, "output_format"),
        ("", {"enable_safety_checker": "no"}, "enable_safety_checker"),
        ("/edit", {}, "image_urls"),
        ("/edit", {"image_urls": []}, "image_urls"),
        ("/edit", {"image_urls": [picture_uri()] * 3}, "image_urls"),
        ("/edit", {"image_urls": ["data:image/png;base64,aGVsbG8="]}, "image_urls"),
    ],
)
def test_the_queue_takes_a_wrong_field_in_and_the_response_names_it(path, given, field):
    with simulated() as (client, books):
        answer = submit(client, f"/fal-ai/flux-2-pro{path}", **given)
        assert answer.status_code == 200
        assert (status(client, answer.json()).status_code, status(client, answer.json()).json()["status"]) == (
            200,
            "COMPLETED",
        )
        wrong = response(client, answer.json())
    (detail,) = wrong.json()["detail"]
    assert (wrong.status_code, detail["loc"]) == (422, ["body", field])
    assert detail["msg"]
    assert detail["type"]
    assert (books.entries, books.rejected) == ((), {("fal", 422): 1})


def test_tolerances_as_strings_and_unknown_fields_are_let_in():
    with simulated() as (client, books):
        for tolerance in ("1", "5"):
            assert response(client, submit(client, safety_tolerance=tolerance, steps=9).json()).status_code == 200
    assert len(books.entries) == 2


@pytest.mark.parametrize("headers", [{"X-Other": "1"}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": "Key no"}])
def test_without_the_key_nothing_is_let_in(headers):
    with simulated() as (client, books):
        told = submit(client).json()
        for answer in (
            submit(client, headers=headers),
            client.get(told["status_url"], headers=headers),
            client.get(told["response_url"], headers=headers),
        ):
            assert answer.status_code == 401
            assert isinstance(answer.json()["detail"], str)
    assert len(books.entries) == 1


def test_unknown_apps_paths_and_requests_are_not_found():
    with simulated() as (client, books):
        for path, words in [("/fal-ai/flux-9", "Application"), ("/fal-ai/flux-2-pro/paint", "Path /paint not found")]:
            answer = submit(client, path)
            assert answer.status_code == 404
            assert words in answer.json()["detail"]
        assert client.get("/fal-ai/flux-2-pro/requests/none/status", headers=AUTHORIZED).status_code == 404
        assert client.get("/fal-ai/flux-2-pro/requests/none", headers=AUTHORIZED).status_code == 404
    assert books.entries == ()


@pytest.mark.parametrize("behaviour", ["moderated_request", "refuse_prompt", "text_only"])
def test_a_declined_prompt_is_a_content_policy_violation(behaviour):
    with simulated(behaviour) as (client, books):
        told = submit(client).json()
        assert status(client, told).json()["status"] == "COMPLETED"
        answer = response(client, told)
    (detail,) = answer.json()["detail"]
    assert (answer.status_code, detail["type"]) == (422, "content_policy_violation")
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, "refused")


@pytest.mark.parametrize("behaviour", ["moderated_content", "filter_image"])
def test_a_withheld_picture_is_black_and_said_to_be_unsafe(behaviour):
    with simulated(behaviour) as (client, books):
        answer = response(client, submit(client).json())
        assert (answer.status_code, answer.json()["has_nsfw_concepts"]) == (200, [True])
        assert delivered(client, answer).convert("RGB").getextrema() == ((0, 0), (0, 0), (0, 0))
    assert books.entries[0].outcome == "filtered"


def test_a_failed_request_says_so_at_its_response_address():
    with simulated("error_status") as (client, books):
        answer = response(client, submit(client).json())
    assert (answer.status_code, answer.json()["error_type"]) == (500, "runner_server_error")
    assert answer.headers["x-fal-error-type"] == "runner_server_error"
    assert books.entries[0].outcome == "failed"


def test_odd_statuses_come_before_completion():
    with simulated("odd_status") as (client, _):
        told = submit(client).json()
        assert [status(client, told).json()["status"] for _ in range(3)] == ["SCHEDULING", "WARMING_UP", "COMPLETED"]


def test_one_that_is_never_ready_stays_in_progress():
    with simulated("never_ready") as (client, books):
        told = submit(client).json()
        assert {status(client, told).json()["status"] for _ in range(3)} == {"IN_PROGRESS"}
        assert response(client, told).status_code == 400
    assert books.entries[0].outcome == "open"


def test_an_empty_account_is_locked():
    with simulated("no_credit") as (client, _):
        answer = submit(client)
    assert answer.status_code == 403
    assert "Exhausted balance" in answer.json()["detail"]


def test_delivery_may_be_expired_or_no_picture_and_notices_a_key():
    with simulated("expired") as (client, books):
        url = response(client, submit(client).json()).json()["images"][0]["url"]
        assert (client.get(url).status_code, books.entries[0].outcome) == (403, "undeliverable")
    with simulated("not_an_image") as (client, books):
        url = response(client, submit(client).json()).json()["images"][0]["url"]
        assert client.get(url).content.startswith(b"<!DOCTYPE")
    with simulated() as (client, books):
        client.get(response(client, submit(client).json()).json()["images"][0]["url"], headers=AUTHORIZED)
        assert books.keys_at_delivery == 1
