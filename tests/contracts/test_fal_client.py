"""fal-client against the simulator of fal's queue, with the bodies that our host sends."""

import pytest

from tests.contracts.serving import KEY, served, size_at

pytestmark = pytest.mark.contracts

FLUX, NANO_BANANA = "flux-2-pro@fal", "gemini-3-pro-image@fal"


@pytest.fixture
def submit(monkeypatch):
    """Return a function that queues our host's request through the client, and returns the client's handle."""
    import fal_client

    def submit(host, references=0, key=KEY, **changes):
        # The client takes the address of the queue from the environment, when it is imported, and always as https.
        monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"{host.address}/")
        ours = host.our_call(references)
        application = ours.url.removeprefix(f"{host.address}/")
        return fal_client.SyncClient(key=key).submit(application, {**ours.body, **changes})

    return submit


@pytest.fixture
def errors():
    from fal_client.client import FalClientHTTPError

    return FalClientHTTPError


@pytest.mark.parametrize("system", [FLUX, NANO_BANANA])
@pytest.mark.parametrize("references", [0, 2])
def test_a_picture_and_an_edit_are_queued_and_fetched(submit, system, references):
    with served(system) as host:
        answer = submit(host, references).get(interval=0.01)
        host.check_post(host.our_call(references))
        assert [size_at(image["url"]) for image in answer["images"]] == [(1024, 1024)]
    assert (host.call.seed, host.call.n_references, host.call.outcome) == (42, references, "ok")


@pytest.mark.parametrize(
    ("settings", "state"),
    [({"queue_s": 3600.0}, "Queued"), ({"work_s": 3600.0}, "InProgress"), ({}, "Completed")],
)
def test_every_state_of_the_queue_is_read(submit, settings, state):
    with served(FLUX, **settings) as host:
        assert type(submit(host).status()).__name__ == state


def test_a_prompt_that_is_refused_is_an_error_of_the_model(submit, errors):
    with served(FLUX, "refuse_prompt") as host, pytest.raises(errors) as caught:
        submit(host).get(interval=0.01)
    assert caught.value.status_code == 422
    assert [problem["type"] for problem in caught.value.message] == ["content_policy_violation"]
    assert host.call.outcome == "refused"


def test_a_picture_that_is_withheld_is_marked(submit):
    with served(FLUX, "filter_image") as host:
        assert submit(host).get(interval=0.01)["has_nsfw_concepts"] == [True]
    assert host.call.outcome == "filtered"


def test_a_field_that_is_wrong_is_told_with_the_result_and_never_charged(submit, errors):
    with served(FLUX) as host, pytest.raises(errors) as caught:
        submit(host, seed="many").get(interval=0.01)
    assert (caught.value.status_code, caught.value.message[0]["loc"]) == (422, ["body", "seed"])
    assert host.log.calls == []


@pytest.mark.parametrize(
    ("behaviour", "status", "error_type"),
    [("bad_key", 401, None), ("no_credit", 403, None), ("unavailable", 503, "runner_scheduling_failure")],
)
def test_an_error_of_the_queue_is_told_with_its_type(submit, errors, behaviour, status, error_type):
    with served(FLUX, behaviour) as host, pytest.raises(errors) as caught:
        submit(host)
    assert (caught.value.status_code, caught.value.error_type) == (status, error_type)


def test_a_runner_that_fails_is_told_with_the_result(submit, errors):
    with served(FLUX, "error_status") as host, pytest.raises(errors) as caught:
        submit(host).get(interval=0.01)
    assert (caught.value.status_code, caught.value.error_type) == (500, "runner_server_error")


def test_a_wrong_key_is_let_in_nowhere(submit, errors):
    with served(FLUX) as host, pytest.raises(errors) as caught:
        submit(host, key="another-key")
    assert (caught.value.status_code, host.log.calls) == (401, [])
