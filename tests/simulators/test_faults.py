"""Faults, delivery and the server's life, shown on one wire format."""

import threading

import httpx2 as httpx
import pytest

from evals.generation.simulated.host import SimulatedModel
from evals.generation.simulated.serving import SimulatorError
from tests.simulators.clients import client_of
from tests.simulators.faults import FaultyHost, serve_faulty, storm
from tests.simulators.rendering import plain_renderer

KEY = "bfl-secret-key"


def models(renderer=plain_renderer):
    price = {"first": 0.03, "further": 0.015, "input": 0.015}
    return [SimulatedModel("flux-2-pro", "megapixels", price, ("512", "1K"), 8, renderer)]


def submit(client, seed=1):
    body = {"prompt": "a cat", "width": 64, "height": 64, "seed": seed}
    return client.post("/v1/flux-2-pro", json=body, headers={"x-key": KEY})


def sample_of(client, seed=1):
    return client.get(submit(client, seed).json()["polling_url"]).json()["result"]["sample"]


def test_a_storm_hits_the_share_it_was_given_and_is_the_same_again():
    script = storm(0.3, seed=7, among=["drop", "unavailable"])
    said = [script(arrival, "a cat") for arrival in range(2000)]
    assert said == [storm(0.3, seed=7, among=["drop", "unavailable"])(arrival, "a dog") for arrival in range(2000)]
    assert said != [storm(0.3, seed=8, among=["drop", "unavailable"])(arrival, "a cat") for arrival in range(2000)]
    assert 0.27 < 1 - said.count("ok") / 2000 < 0.33
    assert 0.8 < said.count("drop") / said.count("unavailable") < 1.25


def test_a_truncated_answer_is_charged_and_really_cut_short():
    with client_of("bfl", models(), KEY, "truncated") as (client, log):
        with client.stream("POST", "/v1/flux-2-pro", json={"prompt": "a cat"}, headers={"x-key": KEY}) as answer:
            chunks = answer.iter_bytes()
            received = next(chunks)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                list(chunks)
        assert received.startswith(b'{"id"')
        assert len(received) < int(answer.headers["content-length"])
    assert (log.calls[0].outcome, log.charged_usd) == ("lost", 0.03)


def test_no_delivery_address_can_be_made_up_and_a_key_that_is_sent_there_is_noticed():
    with client_of("bfl", models(), KEY) as (client, log):
        sample = sample_of(client)
        assert client.get(sample.split("?")[0]).status_code == 403
        assert client.get(httpx.URL(sample).copy_merge_params({"sig": "0" * 64})).status_code == 403
        assert (client.get(sample).status_code, log.keys_at_delivery) == (200, 0)
        for headers in ({"x-key": KEY}, {"Authorization": "Bearer other"}, {"x-custom": f"key {KEY}"}):
            client.get(sample, headers=headers)
    assert log.keys_at_delivery == 3


def test_the_renderer_is_told_how_often_the_same_was_drawn_before():
    drawn = []

    def renderer(prompt, seed, nth, *rest):
        drawn.append((prompt, seed, nth))
        return plain_renderer(prompt, seed, nth, *rest)

    with client_of("bfl", models(renderer), KEY) as (client, _):
        for seed in (1, 1, 2):
            client.get(sample_of(client, seed))
    assert drawn == [("a cat", 1, 0), ("a cat", 1, 1), ("a cat", 2, 0)]


def test_a_simulator_that_breaks_does_not_pass_for_a_vendor_error_and_leaves_no_server():
    host = FaultyHost(models(), KEY, lambda arrival, prompt: "oops")
    with pytest.raises(SimulatorError, match="no such behaviour"), serve_faulty({"bfl": host}) as addresses:
        httpx.post(f"{addresses['bfl']}/v1/flux-2-pro", json={"prompt": "a cat"}, headers={"x-key": KEY})
    with pytest.raises(httpx.ConnectError):
        httpx.get(addresses["bfl"])
    assert not [thread for thread in threading.enumerate() if thread.name == "simulators"]
