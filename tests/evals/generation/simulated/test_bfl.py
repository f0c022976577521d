"""The simulator of Black Forest Labs against plain HTTP calls, and its books against what was told."""

from __future__ import annotations

import base64
import io
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2 as httpx
import PIL.Image
import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.server import serve
from evals.generation.simulated.service import BEHAVIOURS, SimulatedHost, SimulatedModel, Simulation, storm

KEY = "bfl-secret-key"
SIZES = ("512", "1K", "2K")
PRO = {"first": 0.03, "further": 0.015, "input": 0.015}
MODELS = [
    SimulatedModel("flux-2-pro", "megapixels", PRO, SIZES, 8, plain_artist),
    SimulatedModel(
        "flux-2-klein-9b", "megapixels", {"first": 0.015, "further": 0.002, "input": 0.002}, SIZES, 4, plain_artist
    ),
    SimulatedModel(
        "flux-2-flex", "megapixels", {"first": 0.05, "further": 0.05, "input": 0.05}, SIZES, 8, plain_artist
    ),
    SimulatedModel("flux-3-image", "per_image", {"usd": {"1K": 0.048, "2K": 0.1}}, ("1K", "2K"), 10, plain_artist),
]


@contextmanager
def simulated(script=None, **settings):
    simulation = Simulation({"bfl": SimulatedHost(MODELS, KEY, script=script or {}, **settings)})
    with serve(simulation) as addresses, httpx.Client(base_url=addresses["bfl"], timeout=5.0, verify=False) as client:
        yield client, simulation.books


def always(behaviour):
    return lambda arrival, prompt: behaviour


def submit(client, model="flux-2-pro", key=KEY, timeout=5.0, **body):
    headers = {} if key is None else {"x-key": key}
    asked = {"prompt": "a cat", "width": 64, "height": 64, "output_format": "png", **body}
    asked = {name: value for name, value in asked.items() if value is not ...}
    return client.post(f"/v1/{model}", json=asked, headers=headers, timeout=timeout)


def until_ready(books, number=0):
    time.sleep(max(0.0, books.entries[number].ready_at - time.time()) + 0.01)


def encoded(width=64, height=64):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


# The way that everything goes well


def test_a_picture_is_submitted_polled_and_fetched():
    with simulated(queue_s=0.2, work_s=0.2) as (client, books):
        answer = submit(client, width=1024, height=512, seed=42)
        told = answer.json()
        assert (answer.status_code, set(told)) == (200, {"id", "polling_url", "cost", "input_mp", "output_mp"})
        assert (told["cost"], told["input_mp"], told["output_mp"]) == (3.0, 0.0, 1.0)
        assert told["polling_url"] == f"{client.base_url}eu2/v1/get_result?id={told['id']}"
        pending = client.get(told["polling_url"]).json()
        assert pending == {
            "id": told["id"],
            "status": "Pending",
            "result": None,
            "progress": None,
            "details": None,
            "preview": None,
        }
        assert books.entries[0].outcome == "open"
        until_ready(books)
        ready = client.get(told["polling_url"]).json()
        assert ready["status"] == "Ready"
        assert set(ready["result"]) == {"start_time", "prompt", "seed", "sample"}
        assert ready["result"]["seed"] == 42
        sample = httpx.URL(ready["result"]["sample"])
        assert {"se", "sig"} <= set(sample.params)
        picture = client.get(sample)
        assert picture.headers["content-type"] == "image/png"
        assert (opened(picture.content).size, opened(picture.content).format) == ((1024, 512), "PNG")
    (entry,) = books.entries
    assert (entry.api_id, entry.prompt, entry.seed, entry.size) == ("flux-2-pro", "a cat", 42, "1024x512")
    assert (entry.outcome, entry.charged_usd, entry.task_id) == ("ok", 0.03, told["id"])
    assert (entry.polls, entry.deliveries, entry.keys_at_delivery) == (2, 1, 0)
    assert entry.ready_at - entry.arrived_at == pytest.approx(0.4)


def test_jpeg_is_what_comes_unless_something_else_is_asked_for():
    with simulated() as (client, _):
        for asked, comes in [(..., "JPEG"), ("png", "PNG"), ("webp", "WEBP")]:
            result = client.get(submit(client, output_format=asked).json()["polling_url"]).json()["result"]
            assert opened(client.get(result["sample"]).content).format == comes


def test_the_prompt_is_rewritten_unless_that_is_turned_off():
    with simulated() as (client, _):

        def used(**body):
            return client.get(submit(client, **body).json()["polling_url"]).json()["result"]["prompt"]

        assert used() != "a cat"
        assert "a cat" in used()
        assert used(disable_pup=True) == "a cat"
        assert used(model="flux-2-flex") != "a cat"
        assert used(model="flux-2-flex", prompt_upsampling=False) == "a cat"
        assert used(model="flux-2-klein-9b") == "a cat"


def test_without_a_seed_one_is_chosen_and_told():
    with simulated() as (client, books):
        address = submit(client).json()["polling_url"]
        seed = client.get(address).json()["result"]["seed"]
        assert seed == client.get(address).json()["result"]["seed"]
        assert 0 <= seed < 2**31
        assert books.entries[0].seed is None


def test_without_a_size_it_is_that_of_the_first_reference():
    with simulated() as (client, books):
        submit(client, width=..., height=...)
        submit(client, width=0, height=0, input_image=encoded(500, 330))
    assert [entry.size for entry in books.entries] == ["1024x1024", "496x320"]


def test_references_are_charged_by_their_own_megapixels():
    with simulated() as (client, books):
        told = submit(client, input_image=encoded(1200, 1000), input_image_2="https://example.org/a.png").json()
        assert (told["input_mp"], told["cost"]) == (3.0, 7.5)
        plain = submit(client, input_image=f"data:image/png;base64,{encoded()}").json()
        assert (plain["input_mp"], plain["cost"]) == (1.0, 4.5)
    assert [entry.n_references for entry in books.entries] == [2, 1]
    assert books.charged_usd == pytest.approx(0.12)


def test_a_webhook_takes_the_place_of_the_polling_address():
    with simulated() as (client, _):
        assert set(submit(client, webhook_url="https://example.org/hook").json()) == {
            "id",
            "status",
            "webhook_url",
            "cost",
            "input_mp",
            "output_mp",
        }


def test_flux_3_takes_resolutions_and_no_pixels():
    with simulated() as (client, books):
        body = {"width": ..., "height": ...}
        told = submit(client, "flux-3-image", resolution="2k", images=[encoded()], **body).json()
        assert told["cost"] == 10.0
        picture = client.get(client.get(told["polling_url"]).json()["result"]["sample"])
        assert opened(picture.content).size == (2048, 2048)
        wrong = submit(client, "flux-3-image", seed=1, **body)
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "seed"])
        assert submit(client, "flux-3-image", resolution="4k", **body).status_code == 422
    assert len(books.entries) == 1


def test_a_task_is_known_to_its_own_cluster_only():
    with simulated() as (client, _):
        task = submit(client).json()["id"]
        for path, found in [
            (f"/eu2/v1/get_result?id={task}", "Ready"),
            (f"/v1/get_result?id={task}", "Task not found"),
            (f"/us1/v1/get_result?id={task}", "Task not found"),
            ("/eu2/v1/get_result?id=another", "Task not found"),
        ]:
            assert client.get(path).json()["status"] == found


# What is turned away


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        ("flux-2-pro", {"prompt": ...}, "prompt"),
        ("flux-2-pro", {"prompt": 7}, "prompt"),
        ("flux-2-pro", {"width": 1000}, "width"),
        ("flux-2-pro", {"width": 48}, "width"),
        ("flux-2-pro", {"height": 100}, "height"),
        ("flux-2-pro", {"height": "64"}, "height"),
        ("flux-2-pro", {"width": 2064, "height": 2048}, "width"),
        ("flux-2-pro", {"width": 4096, "height": 4096}, "width"),
        ("flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        ("flux-2-pro", {"safety_tolerance": -1}, "safety_tolerance"),
        ("flux-2-pro", {"seed": 1.5}, "seed"),
        ("flux-2-pro", {"output_format": "gif"}, "output_format"),
        ("flux-2-pro", {"input_image": "what?"}, "input_image"),
        ("flux-2-pro", {"input_image_3": base64.b64encode(b"no picture").decode()}, "input_image_3"),
        ("flux-2-klein-9b", {f"input_image_{n}": encoded() for n in range(2, 7)}, "input_image_6"),
        ("flux-2-flex", {"steps": 51}, "steps"),
        ("flux-2-flex", {"guidance": 11}, "guidance"),
    ],
)
def test_a_wrong_field_is_named_and_costs_nothing(model, body, field):
    with simulated() as (client, books):
        answer = submit(client, model, **body)
    (detail,) = answer.json()["detail"]
    assert (answer.status_code, detail["loc"]) == (422, ["body", field])
    assert detail["msg"]
    assert detail["type"]
    assert (books.entries, books.rejected) == ((), {("bfl", 422): 1})


def test_the_largest_picture_and_unknown_fields_are_let_in():
    with simulated() as (client, books):
        assert submit(client, width=2048, height=2048, steps=900, guidance=-4, no_such_field=1).json()["cost"] == 7.5
        assert submit(client, safety_tolerance=0, seed=None, input_image=None).status_code == 200
    assert len(books.entries) == 2


def test_an_unknown_model_is_not_found():
    with simulated() as (client, books):
        answer = submit(client, "flux-9-ultra")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert books.entries == ()


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [(None, 403, "Not authenticated"), ("wrong", 401, "Not authenticated - Invalid Authentication")],
)
def test_without_the_key_nothing_is_let_in(key, status, detail):
    with simulated() as (client, books):
        answer = submit(client, key=key)
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
        assert client.get("/v1/credits").status_code == 403
    assert books.entries == ()


def test_credits_go_down_by_what_was_charged():
    with simulated() as (client, books):
        before = client.get("/v1/credits", headers={"x-key": KEY}).json()["credits"]
        submit(client, width=2048, height=1024)
        assert before - client.get("/v1/credits", headers={"x-key": KEY}).json()["credits"] == pytest.approx(4.5)
        assert books.charged_usd == 0.045


def test_more_than_the_active_tasks_are_turned_away_until_one_is_ready():
    with simulated(active_limit=24, work_s=lambda arrival: 60.0 if arrival else 1.0) as (client, books):
        statuses = [submit(client).status_code for _ in range(26)]
        assert statuses == [200] * 24 + [429] * 2
        until_ready(books)
        assert submit(client).status_code == 200
    assert books.peak_active("bfl") == 24
    assert books.charged_usd == pytest.approx(25 * 0.03)
    assert [entry.outcome for entry in books.entries].count("turned_away") == 2


# Behaviours


@pytest.mark.parametrize(
    ("behaviour", "status", "retry_after"),
    [
        ("rate_limited", 429, "7"),
        ("unavailable", 503, None),
        ("internal", 500, None),
        ("bad_key", 401, None),
        ("no_credit", 402, None),
        ("daily_quota", 402, None),
        ("echo_key", 401, None),
    ],
)
def test_what_is_not_taken_in_is_not_charged(behaviour, status, retry_after):
    with simulated(always(behaviour), retry_after_s=7.0) as (client, books):
        answer = submit(client)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert isinstance(answer.json()["detail"], str)
    assert (KEY in answer.text) is (behaviour == "echo_key")
    (entry,) = books.entries
    assert (entry.behaviour, entry.outcome, entry.charged_usd, entry.task_id) == (behaviour, "turned_away", 0.0, None)


@pytest.mark.parametrize(("behaviour", "charged"), [("drop", 0.03), ("drop_before", 0.0)])
def test_a_cut_connection_gives_no_answer(behaviour, charged):
    with simulated(always(behaviour)) as (client, books), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        submit(client)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost" if charged else "turned_away", charged)


def test_a_truncated_answer_really_is_cut_short():
    body, headers = {"prompt": "a cat"}, {"x-key": KEY}
    with simulated(always("truncated")) as (client, books):
        stream = client.stream("POST", "/v1/flux-2-pro", json=body, headers=headers)
        with stream as answer:
            promised = int(answer.headers["content-length"])
            chunks = answer.iter_bytes()
            received = next(chunks)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                list(chunks)
    assert answer.status_code == 200
    assert received.startswith(b'{"id"')
    assert 0 < len(received) < promised
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", 0.03)


def test_a_stalled_request_is_charged_and_never_answered():
    with simulated(always("stall")) as (client, books), pytest.raises(httpx.ReadTimeout):
        submit(client, timeout=0.3)
    assert (books.entries[0].outcome, books.charged_usd) == ("lost", 0.03)


@pytest.mark.parametrize(("behaviour", "status"), [("gateway_timeout", 504), ("garbage", 200)])
def test_a_spoiled_answer_is_charged(behaviour, status):
    with simulated(always(behaviour)) as (client, books):
        answer = submit(client)
        with pytest.raises(ValueError, match="Expecting value"):
            answer.json()
        lost = client.get(f"/eu2/v1/get_result?id={books.entries[0].task_id}").json()
        assert lost["status"] == "Ready"  # the work goes on, though nobody was told its name
    assert answer.status_code == status
    assert books.charged_usd == 0.03


@pytest.mark.parametrize(
    ("behaviour", "status", "outcome"),
    [
        ("moderated_request", "Request Moderated", "refused"),
        ("refuse_prompt", "Request Moderated", "refused"),
        ("text_only", "Request Moderated", "refused"),
        ("moderated_content", "Content Moderated", "filtered"),
        ("filter_image", "Content Moderated", "filtered"),
        ("error_status", "Error", "failed"),
    ],
)
def test_an_accepted_task_may_end_without_a_picture(behaviour, status, outcome):
    with simulated(always(behaviour)) as (client, books):
        found = client.get(submit(client).json()["polling_url"]).json()
    assert (found["status"], found["result"]) == (status, None)
    assert found["details"]
    assert (books.entries[0].behaviour, books.entries[0].outcome) == (behaviour, outcome)
    assert books.charged_usd == 0.03


def test_a_moderated_picture_is_worked_on_first():
    with simulated(always("moderated_content"), work_s=0.4) as (client, books):
        address = submit(client).json()["polling_url"]
        assert client.get(address).json()["status"] == "Pending"
        until_ready(books)
        assert client.get(address).json()["status"] == "Content Moderated"


def test_odd_statuses_come_before_the_picture():
    with simulated(always("odd_status")) as (client, books):
        address = submit(client).json()["polling_url"]
        assert [client.get(address).json()["status"] for _ in range(4)] == [
            "Reasoning",
            "Generating",
            "Polishing",
            "Ready",
        ]
    assert books.entries[0].polls == 4


def test_one_that_is_never_ready_stays_pending_and_counts_as_active():
    with simulated(always("never_ready"), active_limit=1) as (client, books):
        address = submit(client).json()["polling_url"]
        assert {client.get(address).json()["status"] for _ in range(5)} == {"Pending"}
        assert submit(client).status_code == 429
    assert (books.entries[0].outcome, books.entries[0].ready_at) == ("open", None)


def test_slow_takes_longer_and_draft_thoughts_change_nothing():
    with simulated({"a cat": ["slow", "draft_thoughts"]}, slow_s=0.5) as (client, books):
        slow, usual = (submit(client).json()["polling_url"] for _ in range(2))
        assert client.get(slow).json()["status"] == "Pending"
        assert client.get(usual).json()["status"] == "Ready"
        until_ready(books)
        assert client.get(slow).json()["status"] == "Ready"


def test_what_is_delivered_may_be_no_picture():
    with simulated(always("not_an_image")) as (client, books):
        content = client.get(client.get(submit(client).json()["polling_url"]).json()["result"]["sample"]).content
    with pytest.raises(PIL.UnidentifiedImageError):
        opened(content)
    assert books.entries[0].outcome == "undeliverable"


def test_delivery_addresses_expire():
    with simulated(address_valid_s=0.5) as (client, books):
        sample = client.get(submit(client).json()["polling_url"]).json()["result"]["sample"]
        assert client.get(sample).status_code == 200
        time.sleep(0.5)
        expired = client.get(sample)
        assert expired.status_code == 403
        assert "AuthenticationFailed" in expired.text
    assert books.entries[0].deliveries == 2


def test_an_address_may_be_expired_from_the_start_and_none_can_be_made_up():
    with simulated({"a cat": ["expired"]}) as (client, books):
        first, second = (client.get(submit(client).json()["polling_url"]).json()["result"]["sample"] for _ in range(2))
        assert client.get(first).status_code == 403
        assert client.get(second).status_code == 200
        assert client.get(second.split("?")[0]).status_code == 403
        assert client.get(httpx.URL(second).copy_merge_params({"sig": "0" * 64})).status_code == 403
    assert [entry.outcome for entry in books.entries] == ["undeliverable", "ok"]


@pytest.mark.parametrize("headers", [{"x-key": KEY}, {"Authorization": "Bearer other"}, {"x-custom": f"key {KEY}"}])
def test_a_key_at_the_delivery_address_is_noticed(headers):
    with simulated() as (client, books):
        sample = client.get(submit(client).json()["polling_url"]).json()["result"]["sample"]
        assert client.get(sample).status_code == 200
        assert books.keys_at_delivery == 0
        assert client.get(sample, headers=headers).status_code == 200
    assert books.keys_at_delivery == books.entries[0].keys_at_delivery == 1


def test_the_books_never_hold_the_key(tmp_path):
    from evals.generation.simulated.books import Books

    books = Books(tmp_path / "books.jsonl")
    with serve(Simulation({"bfl": SimulatedHost(MODELS, KEY, always("echo_key"))}, books)) as addresses:
        answer = httpx.post(f"{addresses['bfl']}/v1/flux-2-pro", json={"prompt": "a cat"}, headers={"x-key": KEY})
    assert KEY in answer.text
    assert KEY not in (tmp_path / "books.jsonl").read_text()


def test_in_a_storm_what_was_told_and_what_was_lost_add_up_to_what_was_charged():
    among = [behaviour for behaviour in BEHAVIOURS if behaviour != "stall"]
    with simulated(storm(0.7, 3, among)) as (client, books):

        def told(number):
            try:
                answer = submit(client, prompt=f"a cat {number}", width=1024 if number % 2 else 2048, height=1024)
                return answer.json()["cost"] / 100 if answer.status_code == 200 else 0.0
            except (httpx.TransportError, ValueError):
                return 0.0

        with ThreadPoolExecutor(8) as threads:
            total = sum(threads.map(told, range(200)))
    lost = sum(entry.charged_usd for entry in books.entries if entry.outcome == "lost")
    assert lost > 0
    assert len(books.entries) == 200
    assert total + lost == pytest.approx(books.charged_usd)
    assert {entry.behaviour for entry in books.entries} == {"ok", *among}
    assert all(entry.charged_usd == (0.03 if entry.size == "1024x1024" else 0.045) for entry in books.entries
               if entry.outcome != "turned_away")  # fmt: skip
