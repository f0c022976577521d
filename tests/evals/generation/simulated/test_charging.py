"""What simulated hosts charge: recorded and listed prices come out."""

import pytest

from evals.generation.simulated import charging
from evals.generation.simulated.host import Order, SimulatedModel
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


@pytest.mark.parametrize(
    ("kind", "terms", "size", "width", "usd"),
    [
        ("megapixels", {"first": 0.03, "further": 0.015}, "1K", 1024, 0.03),
        ("megapixels", {"first": 0.03, "further": 0.015}, "1K", 1040, 0.045),
        ("megapixels", {"first": 0.03, "further": 0.015}, "2K", 4096, 0.075),
        ("per_image", {"usd": 0.04}, "2K", 1024, 0.04),
        ("per_image", {"usd": {"1K": 0.08, "4K": 0.3}}, "4K", 1024, 0.3),
        ("free", {}, "1K", 1024, 0.0),
    ],
)
def test_a_picture_costs_what_the_price_list_says(kind, terms, size, width, usd):
    order = Order(model_of(kind, terms), "a cat", 1, width, 1024, size, "png")
    assert charging.price_usd(order) == pytest.approx(usd)


def test_recorded_tokens_cost_what_was_recorded():
    used = charging.TokenUse(10, 0, 1120, 60, 102)
    assert charging.tokens_usd(model_of("tokens", TOKENS), used) == pytest.approx(0.136364)


def test_tokens_count_references_and_never_pass_the_bound():
    model = model_of("tokens", TOKENS)
    uses = [charging.token_use(model, f"a cat {number}", "1K", 2) for number in range(50)]
    assert {(use.prompt_image, use.image) for use in uses} == {(1120, 1120)}
    assert max(use.text + use.thoughts for use in uses) == 200
    assert len({use.text + use.thoughts for use in uses}) > 10
    assert charging.token_use(model, "a cat", None, 0) == charging.TokenUse(2)
