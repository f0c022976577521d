"""Replicate's client against the simulator of its predictions, with the bodies that our host sends."""

import io

import pytest

from tests.contracts.serving import KEY, REFERENCE, served, size_at

pytestmark = pytest.mark.contracts

FLUX = "flux-2-pro@replicate"


def client_of(host, key=KEY):
    import replicate

    client = replicate.Client(api_token=key, base_url=host.address)
    client.poll_interval = 0.01
    return client


def run(host, key=KEY, **changes):
    return client_of(host, key).run(host.offer.api_id, {**host.our_call().body["input"], **changes})


@pytest.mark.parametrize("references", [0, 2])
def test_a_picture_and_an_edit_are_made_and_fetched(references):
    with served(FLUX) as host:
        # The client itself makes data URIs of files, as our host does.
        files = [io.BytesIO(REFERENCE) for _ in range(references)]
        for file in files:
            file.name = "reference.png"
        fields = {**host.our_call().body["input"], **({"input_images": files} if files else {})}
        address = client_of(host).run(host.offer.api_id, fields, file_encoding_strategy="base64")
        host.check_post(host.our_call(references))
        assert size_at(address) == (1024, 1024)
    assert (host.call.seed, host.call.n_references, host.call.outcome) == (42, references, "ok")


def test_a_prediction_is_read_with_its_states_and_addresses():
    with served(FLUX, queue_s=3600.0) as host:
        client = client_of(host)
        made = client.models.predictions.create(host.offer.api_id, host.our_call().body["input"])
        again = client.predictions.get(made.id)
    assert (made.status, made.output, again.id, again.model) == ("starting", None, made.id, host.offer.api_id)
    assert again.urls == {"get": f"{host.address}/v1/predictions/{made.id}"} | {"cancel": again.urls["cancel"]}


@pytest.mark.parametrize(
    ("behaviour", "words", "outcome"),
    [
        ("refuse_prompt", "flagged as sensitive", "refused"),
        ("filter_image", "NSFW content", "filtered"),
        ("error_status", "E1000", "failed"),
    ],
)
def test_a_prediction_that_fails_says_why(behaviour, words, outcome):
    from replicate.exceptions import ModelError

    with served(FLUX, behaviour) as host, pytest.raises(ModelError, match=words) as caught:
        run(host)
    assert (caught.value.prediction.status, host.call.outcome) == ("failed", outcome)


@pytest.mark.parametrize(
    ("behaviour", "status"), [("bad_key", 401), ("no_credit", 402), ("rate_limited", 429), ("unavailable", 503)]
)
def test_an_error_is_told_with_its_status_and_detail(behaviour, status):
    from replicate.exceptions import ReplicateError

    with served(FLUX, behaviour) as host, pytest.raises(ReplicateError) as caught:
        run(host)
    assert (caught.value.status, bool(caught.value.detail), len(host.posts)) == (status, True, 1)


@pytest.mark.parametrize(("changes", "status"), [({"key": "another-key"}, 401), ({"seed": "many"}, 422)])
def test_a_wrong_key_and_a_wrong_field_are_let_in_nowhere(changes, status):
    from replicate.exceptions import ReplicateError

    with served(FLUX) as host, pytest.raises(ReplicateError) as caught:
        run(host, **changes)
    assert (caught.value.status, host.log.calls) == (status, [])
