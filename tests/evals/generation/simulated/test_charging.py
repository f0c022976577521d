"""What simulated hosts charge: recorded and listed prices come out."""

from evals.generation.simulated import charging
from evals.generation.simulated.host import SimulatedModel
from tests.simulators.rendering import plain_renderer

TOKENS = {
    "input_per_m": 2.0,
    "output_text_per_m": 12.0,
    "output_image_per_m": 120.0,
    "image_tokens": {"1K": 1120.0, "4K": 2000.0},
    "reference_tokens": 560.0,
    "text_tokens_usual": 162.0,
    "text_tokens_at_most": 200.0,
}


def model_of(kind, terms):
    return SimulatedModel("m", kind, terms, ("512", "1K", "2K"), 8, plain_renderer)


def test_tokens_count_references_and_never_pass_the_bound():
    model = model_of("tokens", TOKENS)
    uses = [charging.token_use(model, f"a cat {number}", "1K", 2) for number in range(50)]
    assert {(use.prompt_image, use.image) for use in uses} == {(1120, 1120)}
    assert max(use.text + use.thoughts for use in uses) == 200
    assert len({use.text + use.thoughts for use in uses}) > 10
    assert charging.token_use(model, "a cat", None, 0) == charging.TokenUse(2)
