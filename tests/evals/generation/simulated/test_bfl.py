"""The simulator of Black Forest Labs: what its wire format says, and what it refuses."""

import base64
import threading

import httpx2 as httpx
import pytest

from evals.generation.simulated.host import SimulatedModel
from evals.generation.simulated.serving import SimulatorError
from tests.simulators.clients import client_of, encoded, opened, without_fields
from tests.simulators.rendering import plain_renderer

KEY = "bfl-secret-key"
SIZES = ("512", "1K", "2K")
PRO = {"first": 0.03, "further": 0.015, "input": 0.015}
MODELS = [
    SimulatedModel("flux-2-pro", "megapixels", PRO, SIZES, 8, plain_renderer),
    SimulatedModel("flux-2-klein-9b", "megapixels", PRO, SIZES, 4, plain_renderer),
    SimulatedModel("flux-2-flex", "megapixels", PRO, SIZES, 8, plain_renderer),
    SimulatedModel("flux-kontext-pro", "per_image", {"usd": 0.04}, ("1K",), 4, plain_renderer),
    SimulatedModel("flux-3-image", "per_image", {"usd": {"1K": 0.048, "2K": 0.1}}, ("1K", "2K"), 10, plain_renderer),
]


def simulated(behaviour="ok", **settings):
    return client_of("bfl", MODELS, KEY, behaviour, **settings)


def submit(client, model="flux-2-pro", key=KEY, **fields):
    body = {"prompt": "a cat", "width": 64, "height": 64, "output_format": "png", **fields}
    return client.post(f"/v1/{model}", json=without_fields(body), headers={} if key is None else {"x-key": key})


def result_of(client, **fields):
    return client.get(submit(client, **fields).json()["polling_url"]).json()["result"]


def test_a_picture_is_submitted_polled_and_fetched():
    with simulated() as (client, log):
        accepted = submit(client, width=1024, height=512, seed=42).json()
        assert set(accepted) == {"id", "polling_url", "cost", "input_mp", "output_mp"}
        assert (accepted["cost"], accepted["input_mp"], accepted["output_mp"]) == (3.0, 0.0, 1.0)
        assert accepted["polling_url"] == f"{client.base_url}eu2/v1/get_result?id={accepted['id']}"
        assert log.calls[0].outcome == "open"
        ready = client.get(accepted["polling_url"]).json()
        assert (ready["status"], ready["result"]["seed"]) == ("Ready", 42)
        assert set(ready["result"]) == {"start_time", "prompt", "seed", "sample"}
        picture = client.get(ready["result"]["sample"])
        assert picture.headers["content-type"] == "image/png"
        assert (opened(picture.content).size, opened(picture.content).format) == ((1024, 512), "PNG")
    (call,) = log.calls
    assert (call.api_id, call.prompt, call.seed) == ("flux-2-pro", "a cat", 42)
    assert (call.outcome, call.charged_usd, call.task_id) == ("ok", 0.03, accepted["id"])


@pytest.mark.parametrize(
    ("fields", "rewritten"),
    [
        ({}, True),
        ({"disable_pup": True}, False),
        ({"model": "flux-2-flex"}, True),
        ({"model": "flux-2-flex", "prompt_upsampling": False}, False),
        ({"model": "flux-2-klein-9b"}, False),
        ({"model": "flux-kontext-pro"}, False),
        ({"model": "flux-kontext-pro", "prompt_upsampling": True}, True),
    ],
)
def test_flux_2_rewrites_the_prompt_unless_that_is_turned_off_and_flux_1_where_it_is_turned_on(fields, rewritten):
    with simulated() as (client, _):
        prompt = result_of(client, **fields)["prompt"]
    assert ("a cat" in prompt, prompt != "a cat") == (True, rewritten)


@pytest.mark.parametrize(("model", "format"), [("flux-2-pro", "JPEG"), ("flux-kontext-pro", "PNG")])
def test_the_format_of_the_picture_has_another_default_for_kontext(model, format):
    with simulated() as (client, _):
        sample = result_of(client, model=model, output_format=...)["sample"]
        assert opened(client.get(sample).content).format == format


def test_references_are_charged_by_their_own_megapixels():
    with simulated() as (client, log):
        accepted = submit(client, input_image=encoded(1200, 1000), input_image_2=encoded()).json()
    assert (accepted["input_mp"], accepted["cost"]) == (3.0, 7.5)
    assert (log.calls[0].n_references, log.charged_usd) == (2, pytest.approx(0.075))


def test_flux_3_takes_resolutions_and_no_pixels():
    with simulated() as (client, log):
        no_pixels = {"width": ..., "height": ...}
        accepted = submit(client, "flux-3-image", resolution="2k", images=[encoded()], **no_pixels).json()
        assert accepted["cost"] == 10.0
        sample = client.get(accepted["polling_url"]).json()["result"]["sample"]
        assert opened(client.get(sample).content).size == (2048, 2048)
        wrong = submit(client, "flux-3-image", seed=1, **no_pixels)
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "seed"])
        assert submit(client, "flux-3-image", resolution="4k", **no_pixels).status_code == 422
    assert len(log.calls) == 1


def test_a_task_is_known_to_its_own_cluster_only():
    with simulated() as (client, _):
        task = submit(client).json()["id"]
        states = {path: client.get(f"{path}/v1/get_result?id={task}").json()["status"] for path in ("/eu2", "", "/us1")}
    assert states == {"/eu2": "Ready", "": "Task not found", "/us1": "Task not found"}


@pytest.mark.parametrize(
    ("model", "fields", "field"),
    [
        ("flux-2-pro", {"prompt": ...}, "prompt"),
        ("flux-2-pro", {"prompt": 7}, "prompt"),
        ("flux-2-pro", {"width": 1000}, "width"),
        ("flux-2-pro", {"width": 48}, "width"),
        ("flux-2-pro", {"height": "64"}, "height"),
        ("flux-2-pro", {"width": 2064, "height": 2048}, "width"),
        ("flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        ("flux-2-pro", {"seed": 1.5}, "seed"),
        ("flux-2-pro", {"output_format": "gif"}, "output_format"),
        ("flux-2-pro", {"input_image": "what?"}, "input_image"),
        ("flux-2-pro", {"input_image_3": base64.b64encode(b"no picture").decode()}, "input_image_3"),
        ("flux-2-klein-9b", {f"input_image_{n}": encoded() for n in range(2, 7)}, "input_image_6"),
        ("flux-2-flex", {"steps": 51}, "steps"),
        ("flux-2-flex", {"guidance": 11}, "guidance"),
    ],
)
def test_a_wrong_field_is_named_and_costs_nothing(model, fields, field):
    with simulated() as (client, log):
        answer = submit(client, model, **fields)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])
    assert log.calls == []


def test_no_delivery_address_can_be_made_up_and_a_key_that_is_sent_there_is_noticed():
    with simulated() as (client, log):
        sample = result_of(client)["sample"]
        assert client.get(sample.split("?")[0]).status_code == 403
        assert client.get(httpx.URL(sample).copy_merge_params({"sig": "0" * 64})).status_code == 403
        assert (client.get(sample).status_code, log.keys_at_delivery) == (200, 0)
        for headers in ({"x-key": KEY}, {"Authorization": "Bearer other"}, {"x-custom": f"key {KEY}"}):
            client.get(sample, headers=headers)
    assert log.keys_at_delivery == 3


def test_a_simulator_that_breaks_does_not_pass_for_a_vendor_error_and_leaves_no_server():
    with pytest.raises(SimulatorError, match="no such behaviour"), simulated("oops") as (client, _):
        submit(client)
    with pytest.raises(httpx.ConnectError):
        httpx.get(client.base_url)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulators"]
