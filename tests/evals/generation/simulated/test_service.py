"""The core of the simulators: scripts, books, charging, pictures, and the server's life."""

from __future__ import annotations

import io
import json
import threading

import httpx2 as httpx
import PIL.Image
import pytest

from evals.definition import Defect, SimulatedSystem
from evals.generation.simulated import charging
from evals.generation.simulated.artists import demo_artist, plain_artist
from evals.generation.simulated.books import Books, read_books
from evals.generation.simulated.intake import Order, draw_picture, encode
from evals.generation.simulated.server import SimulatorError, serve
from evals.generation.simulated.service import (
    BEHAVIOURS,
    PASSING_FAULTS,
    TASK_KIN,
    SimulatedHost,
    SimulatedModel,
    Simulation,
    storm,
)
from evals.suites.suite import read_suite

TOKENS = {
    "input_per_m": 2.0,
    "output_text_per_m": 12.0,
    "output_image_per_m": 120.0,
    "image_tokens": {"1K": 1120.0, "4K": 2000.0},
    "reference_tokens": 560.0,
    "text_tokens_usual": 162.0,
    "text_tokens_at_most": 200.0,
}
PRO = {"first": 0.03, "further": 0.015, "input": 0.015}


def model_of(kind="megapixels", terms=PRO, artist=plain_artist, api_id="flux-2-pro"):
    return SimulatedModel(api_id, kind, terms, ("512", "1K", "2K"), 8, artist)


# Scripts


def test_every_behaviour_has_one_name():
    assert len(set(BEHAVIOURS)) == len(BEHAVIOURS) == 26
    assert set(PASSING_FAULTS) < set(BEHAVIOURS)
    assert set(TASK_KIN) | set(TASK_KIN.values()) <= set(BEHAVIOURS)


def test_a_storm_hits_the_share_it_was_given_and_is_the_same_again():
    script = storm(0.3, seed=7, among=["drop", "unavailable"])
    said = [script(arrival, "a cat") for arrival in range(2000)]
    assert said == [storm(0.3, seed=7, among=["drop", "unavailable"])(arrival, "a dog") for arrival in range(2000)]
    assert said != [storm(0.3, seed=8, among=["drop", "unavailable"])(arrival, "a cat") for arrival in range(2000)]
    assert 0.27 < 1 - said.count("ok") / 2000 < 0.33
    assert 0.8 < said.count("drop") / said.count("unavailable") < 1.25


def test_a_storm_of_rate_zero_is_calm_and_of_rate_one_never():
    assert {storm(0.0, 1)(arrival, "") for arrival in range(100)} == {"ok"}
    assert "ok" not in {storm(1.0, 1)(arrival, "") for arrival in range(100)}


# Books


def opened(books, **changes):
    first = {
        "host": "bfl", "api_id": "m", "prompt": "a cat", "seed": 1, "size": "64x64",
        "n_references": 0, "behaviour": "ok", "arrived_at": 1.0,
    }  # fmt: skip
    return books.open(**{**first, **changes})


def test_the_file_holds_what_the_books_hold(tmp_path):
    books = Books(tmp_path / "books.jsonl")
    first, second = opened(books), opened(books, prompt="ein Bär", seed=None)
    books.change(second, charged_usd=0.03, outcome="ok", task_id="t")
    books.count_delivery(second, with_key=True)
    books.change(first, charged_usd=0.07)
    assert read_books(tmp_path / "books.jsonl") == books.entries
    assert [entry.charged_usd for entry in books.entries] == [0.07, 0.03]
    assert books.charged_usd == pytest.approx(0.10)
    assert books.keys_at_delivery == 1
    assert books.entries[second].deliveries == 1


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "books.jsonl"
    books = Books(path)
    opened(books)
    with path.open("a") as file:
        file.write('{"number": 1, "host"')
    assert read_books(path) == books.entries


def test_many_threads_lose_no_entry():
    books = Books()
    numbers: list[int] = []

    def work():
        for _ in range(200):
            number = opened(books)
            numbers.append(number)
            books.change(number, charged_usd=0.25)
            books.count_poll(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1600))
    assert books.charged_usd == 400.0
    assert all(entry.polls == 1 for entry in books.entries)


# Charging


@pytest.mark.parametrize(
    ("width", "height", "references_mp", "usd"),
    [(1024, 1024, [], 0.03), (2048, 2048, [], 0.075), (1024, 1024, [1], 0.045), (1040, 1024, [], 0.045)],
)
def test_megapixels_cost_what_the_price_list_says(width, height, references_mp, usd):
    assert charging.price_usd(model_of(), "a cat", "1K", width, height, references_mp) == pytest.approx(usd)


def test_recorded_tokens_cost_what_was_recorded():
    pro = model_of("tokens", TOKENS)
    assert charging.tokens_usd(pro, charging.TokenUse(10, 0, 1120, 60, 102)) == pytest.approx(0.136364)


def test_tokens_count_references_and_never_pass_the_bound():
    pro = model_of("tokens", TOKENS)
    uses = [charging.token_use(pro, f"a cat {number}", "1K", 2) for number in range(50)]
    assert {use.prompt_image for use in uses} == {1120}
    assert {use.image for use in uses} == {1120}
    assert max(use.text + use.thoughts for use in uses) == 200
    assert len({use.text + use.thoughts for use in uses}) > 10
    assert charging.token_use(pro, "a cat", "4K", 0).image == 2000
    assert charging.token_use(pro, "a cat", None, 0) == charging.TokenUse(2)


@pytest.mark.parametrize(
    ("terms", "size", "usd"), [({"usd": 0.04}, "2K", 0.04), ({"usd": {"1K": 0.08, "4K": 0.3}}, "4K", 0.3)]
)
def test_a_price_per_image_may_depend_on_the_size(terms, size, usd):
    assert charging.price_usd(model_of("per_image", terms), "a cat", size, 1024, 1024) == usd


def test_free_costs_nothing():
    assert charging.price_usd(model_of("free", {}), "a cat", "1K", 1024, 1024, [1]) == 0.0


# Pictures


@pytest.mark.parametrize("side", [512, 1024, 2048, 4096])
def test_pictures_have_the_size_that_was_asked_for(side):
    order = Order(model_of(), "a cat", 1, side, side, "1K", "png")
    with PIL.Image.open(io.BytesIO(draw_picture(order, 0))) as picture:
        assert (picture.size, picture.format) == ((side, side), "PNG")


def test_an_artist_that_draws_another_size_is_found_out():
    order = Order(model_of(artist=lambda *_: PIL.Image.new("RGB", (8, 8))), "a cat", 1, 64, 64, "1K", "png")
    with pytest.raises(ValueError, match=r"drew \(8, 8\)"):
        draw_picture(order, 0)


@pytest.mark.parametrize(("format", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_pictures_are_encoded_as_asked(format, name):
    with PIL.Image.open(io.BytesIO(encode(plain_artist("a", 1, 0, 64, 64, ()), format))) as picture:
        assert picture.format == name


def test_the_plain_artist_draws_another_picture_for_each_prompt_seed_and_reference():
    drawn = [
        plain_artist(*asked).tobytes()
        for asked in [
            ("a", 1, 0, 64, 64, ()), ("b", 1, 0, 64, 64, ()), ("a", 2, 0, 64, 64, ()),
            ("a", 1, 0, 64, 64, (b"x",)), ("a", None, 0, 64, 64, ()), ("a", None, 1, 64, 64, ()),
        ]
    ]  # fmt: skip
    assert len(set(drawn)) == 6
    assert plain_artist("a", 1, 5, 64, 64, ()).tobytes() == drawn[0]


SYSTEM = SimulatedSystem("steady", "#8899aa", like="flux-2-pro@bfl")
NOISY = SimulatedSystem("noisy", "#8899aa", "flux-2-pro@bfl", (Defect("add_noise", "demo-repeats"),))


def test_the_demo_artist_draws_the_item_that_the_prompt_belongs_to():
    from evals.generation.simulated.drawing import draw

    item = read_suite("demo-signs").item("bakery")
    artist = demo_artist(SYSTEM, ["demo-scenes", "demo-signs"])
    drawn = artist(item.prompt, 5, 0, 256, 256, ())
    assert drawn.tobytes() == draw(item, 5, 0, SYSTEM, 256).tobytes()
    assert artist(item.prompt, 5, 0, 384, 256, ()).size == (384, 256)
    assert artist(item.prompt, 5, 0, 64, 64, ()).size == (64, 64)


def test_the_demo_artist_draws_a_prompt_of_no_suite_too():
    artist = demo_artist(SYSTEM, ["demo-signs"])
    first, again = (artist("An unheard-of prompt", 1, 0, 256, 256, ()) for _ in range(2))
    assert first.size == (256, 256)
    assert first.tobytes() == again.tobytes() != artist("Another one", 1, 0, 256, 256, ()).tobytes()


def test_the_demo_artist_tells_repeats_apart_where_the_script_does():
    item = read_suite("demo-repeats").items[0]
    for system, same in [(SYSTEM, True), (NOISY, False)]:
        artist = demo_artist(system, ["demo-repeats"])
        first, second = (artist(item.prompt, 1, nth, 256, 256, ()).tobytes() for nth in range(2))
        assert (first == second) is same


def test_without_a_seed_the_demo_artist_draws_anew():
    item = read_suite("demo-signs").items[0]
    artist = demo_artist(SYSTEM, ["demo-signs"])
    assert artist(item.prompt, None, 0, 256, 256, ()).tobytes() != artist(item.prompt, None, 1, 256, 256, ()).tobytes()


# The server


def simulation(**settings):
    return Simulation(
        {"bfl": SimulatedHost(models=[model_of(artist=settings.pop("artist", plain_artist))], **settings)}
    )


def submitted(base, **body):
    body = {"prompt": "a cat", "width": 64, "height": 64, **body}
    return httpx.post(f"{base}/v1/flux-2-pro", json=body, verify=False)


def test_the_server_is_gone_when_the_simulation_ends():
    with serve(simulation()) as addresses:
        base = addresses["bfl"]
        assert base.startswith("http://127.0.0.1:")
        assert submitted(base).status_code == 200
    with pytest.raises(httpx.ConnectError):
        submitted(base)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulators"]


def test_an_unknown_wire_format_is_refused():
    with (
        pytest.raises(ValueError, match="no wire format 'midjourney'"),
        serve(Simulation({"midjourney": SimulatedHost([])})),
    ):
        pass


def test_a_simulator_that_breaks_does_not_pass_for_a_vendor_error():
    with (
        pytest.raises(SimulatorError, match="no such behaviour"),
        serve(simulation(script=lambda *_: "oops")) as addresses,
    ):
        assert submitted(addresses["bfl"]).status_code == 500


def test_a_script_by_prompt_is_played_in_turn():
    simulated = simulation(script={"a cat": ["unavailable", "rate_limited"]})
    with serve(simulated) as addresses:
        said = [submitted(addresses["bfl"]).status_code for _ in range(3)]
        assert submitted(addresses["bfl"], prompt="a dog").status_code == 200
    assert said == [503, 429, 200]
    assert [entry.behaviour for entry in simulated.books.entries] == ["unavailable", "rate_limited", "ok", "ok"]


def test_a_script_is_told_arrival_and_prompt():
    heard = []
    with serve(simulation(script=lambda arrival, prompt: heard.append((arrival, prompt)) or "ok")) as addresses:
        for prompt in ("a cat", "a dog", "a cat"):
            submitted(addresses["bfl"], prompt=prompt)
    assert heard == [(0, "a cat"), (1, "a dog"), (2, "a cat")]


def test_the_artist_is_told_how_often_the_same_was_drawn_before():
    told = []

    def artist(prompt, seed, nth, width, height, references):
        told.append((prompt, seed, nth))
        return plain_artist(prompt, seed, nth, width, height, references)

    with (
        serve(simulation(artist=artist, script={"a cat": ["ok", "unavailable"]})) as addresses,
        httpx.Client(verify=False) as client,
    ):
        for seed in (1, 1, 1, 2):
            answer = submitted(addresses["bfl"], seed=seed)
            if answer.status_code == 200:
                address = client.get(answer.json()["polling_url"]).json()["result"]["sample"]
                assert client.get(address).content == client.get(address).content
    assert told == [("a cat", 1, 0), ("a cat", 1, 1), ("a cat", 2, 0)]


def test_requests_per_minute_are_limited():
    simulated = simulation(per_minute=2)
    with serve(simulated) as addresses:
        assert [submitted(addresses["bfl"]).status_code for _ in range(3)] == [200, 200, 429]
    assert simulated.books.entries[-1].outcome == "turned_away"
    assert simulated.books.entries[-1].charged_usd == 0.0


def test_bad_json_is_no_arrival_and_no_accident():
    simulated = simulation()
    with serve(simulated) as addresses:
        assert httpx.post(f"{addresses['bfl']}/v1/flux-2-pro", content=b"{").status_code == 422
        assert json.loads(httpx.get(f"{addresses['bfl']}/v1/credits").content)["credits"] == 10_000
    assert simulated.books.entries == ()
    assert simulated.books.rejected == {("bfl", 422): 1}
