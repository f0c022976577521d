"""blackforest, whose models are FLUX.1, against the simulator of its maker's API, with the bodies of our host."""

import pytest

from tests.contracts.serving import KEY, served, size_at

pytestmark = [pytest.mark.contracts, pytest.mark.filterwarnings("ignore:.*Field.*:DeprecationWarning")]

PRO, KONTEXT, ULTRA, DEV = "flux-1.1-pro@bfl", "flux-kontext-pro@bfl", "flux-1.1-pro-ultra@bfl", "flux-1-dev@bfl"


def ask(host, references=0, key=KEY):
    """Send our host's request through the client, and return how the task ended."""
    import blackforest

    client = blackforest.BFLClient(key)
    client.base_url = f"{host.address}/"  # the client itself would drop the path
    client.session.headers["User-Agent"] = "blackforest/0.1.3"
    size = host.offer.sizes[-1]
    return client.get_task_status(client.generate(host.offer.api_id, host.our_call(references, size=size).body).id)


@pytest.fixture
def errors():
    from blackforest.client import BFLError

    return BFLError


@pytest.mark.parametrize(
    ("system", "references", "side", "defaults"),
    [
        (PRO, 0, 1024, {}),
        (DEV, 0, 1024, {"steps": 28, "guidance": 3.0, "prompt_upsampling": False}),
        (ULTRA, 0, 2048, {"raw": False, "image_prompt_strength": 0.1}),
        (KONTEXT, 0, 1024, {}),
        (KONTEXT, 2, 1024, {}),
    ],
)
def test_a_picture_and_an_edit_are_submitted_polled_and_fetched(system, references, side, defaults):
    with served(system) as host:
        ended = ask(host, references)
        assert (ended.status, ended.result["prompt"], ended.result["seed"]) == ("Ready", "a cat", 42)
        assert size_at(ended.result["sample"]) == (side, side)
        # The client writes down the defaults that our host leaves to the vendor.
        assert host.posts[0][2].items() >= defaults.items()
        host.check_post(
            host.our_call(references, size=host.offer.sizes[-1]),
            lambda body: {name: value for name, value in body.items() if name not in defaults},
        )
    assert (host.call.n_references, host.call.outcome) == (references, "ok")


@pytest.mark.parametrize(
    ("behaviour", "status", "outcome"),
    [
        ("refuse_prompt", "Request Moderated", "refused"),
        ("filter_image", "Content Moderated", "filtered"),
        ("error_status", "Error", "failed"),
        ("never_ready", "Pending", "open"),
    ],
)
def test_a_task_without_a_picture_says_so_in_its_status(behaviour, status, outcome):
    with served(PRO, behaviour) as host:
        ended = ask(host)
    assert (ended.status, ended.result, host.call.outcome) == (status, None, outcome)


@pytest.mark.parametrize(("behaviour", "status"), [("no_credit", 402), ("rate_limited", 429), ("unavailable", 503)])
def test_an_error_is_told_with_its_status(errors, behaviour, status):
    with served(PRO, behaviour) as host, pytest.raises(errors, match=str(status)):
        ask(host)
    assert host.call.outcome == "rejected"


def test_a_wrong_key_is_let_in_nowhere(errors):
    with served(PRO) as host, pytest.raises(errors, match="401"):
        ask(host, key="another-key")
    assert host.log.calls == []
