"""google-genai against the simulators of AI Studio and Vertex: it sends what our hosts send, and reads the answers."""

import io
import re

import PIL.Image
import pytest

from tests.contracts.serving import KEY, REFERENCE, served

pytestmark = pytest.mark.contracts

SYSTEMS = {"google": "gemini-nano-banana-2.1@google", "vertex": "gemini-3-pro-image@vertex"}
VERSIONS = {"google": "v1beta", "vertex": "v1"}

on_both = pytest.mark.parametrize("surface", SYSTEMS)


def ask(host, references=0, key=KEY, **options):
    """Ask for "a cat" with seed 42 at 1K, as our hosts do."""
    from google import genai
    from google.auth.credentials import Credentials
    from google.genai import types

    class Token(Credentials):
        def refresh(self, request):
            self.token = key

    on_vertex = host.offer.host == "vertex"
    who = {"project": "project", "location": "global", "credentials": Token()} if on_vertex else {"api_key": key}
    image = types.ImageConfig(aspect_ratio="1:1", image_size="1K", output_mime_type="image/png" if on_vertex else None)
    ours = host.our_call().body["generationConfig"]
    config = types.GenerateContentConfig(
        seed=42, max_output_tokens=ours.get("maxOutputTokens"), response_modalities=["IMAGE"], image_config=image
    )
    http = types.HttpOptions(base_url=host.address, **options)
    with genai.Client(vertexai=on_vertex, http_options=http, **who) as client:
        contents = ["a cat", *[types.Part.from_bytes(data=REFERENCE, mime_type="image/png")] * references]
        return client.models.generate_content(model=host.offer.api_id, contents=contents, config=config)


def as_we_write(body):
    """Return a body with the client's snake case and URL-safe base64 written as ours."""
    if isinstance(body, list):
        return [as_we_write(each) for each in body]
    if isinstance(body, dict):
        camel = {re.sub("_([a-z])", lambda match: match[1].upper(), name): each for name, each in body.items()}
        return {name: as_we_write(each) for name, each in camel.items()}
    is_base64 = isinstance(body, str) and len(body) > 200
    return body.replace("-", "+").replace("_", "/") if is_base64 else body


@on_both
@pytest.mark.parametrize("references", [0, 2])
def test_a_picture_and_an_edit_are_asked_for_and_read(surface, references):
    with served(SYSTEMS[surface]) as host:
        answer = ask(host, references, api_version=VERSIONS[surface])
        host.check_post(host.our_call(references), as_we_write)
    (candidate,) = answer.candidates
    (part,) = candidate.content.parts
    picture = PIL.Image.open(io.BytesIO(part.inline_data.data))
    assert (candidate.finish_reason, part.thought, picture.size) == ("STOP", None, (1024, 1024))
    assert part.inline_data.mime_type == PIL.Image.MIME[picture.format]
    assert (answer.model_version, answer.response_id) == (host.offer.api_id, host.call.task_id)
    assert (host.call.seed, host.call.n_references, host.call.outcome) == (42, references, "ok")
    usage = answer.usage_metadata
    assert usage.total_token_count == sum(
        (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count or 0)
    )
    (images,) = usage.candidates_tokens_details
    assert (images.modality, images.token_count > 0) == ("IMAGE", True)


@on_both
def test_the_version_that_the_client_asks_for_by_itself_is_served(surface):
    with served(SYSTEMS[surface]) as host:
        assert ask(host).candidates[0].finish_reason == "STOP"


@on_both
def test_a_prompt_that_is_refused_has_a_block_reason_and_no_candidate(surface):
    with served(SYSTEMS[surface], "refuse_prompt") as host:
        answer = ask(host)
    assert (answer.prompt_feedback.block_reason, answer.candidates) == ("PROHIBITED_CONTENT", None)
    assert host.call.outcome == "refused"


@on_both
def test_a_picture_that_is_withheld_has_a_finish_reason_and_no_parts(surface):
    with served(SYSTEMS[surface], "filter_image") as host:
        (candidate,) = ask(host).candidates
    assert (candidate.finish_reason, candidate.content.parts) == ("IMAGE_SAFETY", None)
    assert host.call.outcome == "filtered"


@on_both
def test_text_in_place_of_a_picture_is_the_answers_text(surface):
    with served(SYSTEMS[surface], "text_only") as host:
        assert "did not draw" in ask(host).text


@on_both
@pytest.mark.parametrize(
    ("behaviour", "kind", "status"),
    [
        ("rate_limited", "ClientError", (429, "RESOURCE_EXHAUSTED")),
        ("unavailable", "ServerError", (503, "UNAVAILABLE")),
        ("internal", "ServerError", (500, "INTERNAL")),
    ],
)
def test_an_error_is_told_with_its_code_and_status(surface, behaviour, kind, status):
    from google.genai import errors

    with served(SYSTEMS[surface], behaviour) as host, pytest.raises(getattr(errors, kind)) as caught:
        ask(host)
    assert (caught.value.code, caught.value.status) == status
    assert len(host.posts) == 1


@pytest.mark.parametrize(("surface", "code"), [("google", 400), ("vertex", 401)])
def test_a_wrong_key_is_told_and_its_message_says_so(surface, code):
    from google.genai import errors

    with served(SYSTEMS[surface]) as host, pytest.raises(errors.ClientError) as caught:
        ask(host, key="another-key")
    assert (caught.value.code, host.log.calls) == (code, [])
    assert re.search("API key not valid|invalid authentication", caught.value.message)
