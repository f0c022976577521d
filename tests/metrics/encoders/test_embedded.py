"""The embedded encoder: what it sees, that batches do not matter, and that its heads can be fitted again."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import threadpoolctl

from metrics.adherence import similarity_matrix
from metrics.encoders.catalogue import CannotEncode, default_names, library_of, load_encoder
from metrics.encoders.embedded import towers
from metrics.encoders.embedded.colours import colour_shares, colour_words
from metrics.encoders.embedded.encoder import HEADS, METRICS
from metrics.encoders.embedded.heads import Heads
from metrics.encoders.embedded.training.card import CARD, tables_of
from metrics.encoders.embedded.training.evaluate import auc, auc_estimate, margins, swap_estimate, swaps
from metrics.encoders.embedded.training.fit import Choices, Classes, TowerPairs, classes_of, fit_heads
from metrics.encoders.embedded.training.pairs import Pair, SourceMissing, clip_art_pairs, template_pairs
from metrics.encoders.embedded.training.train import families

CAPTIONS = {
    "astronaut": "A portrait of a woman in an orange space suit before an American flag and a space shuttle",
    "coffee": "A cup of espresso with a spoon on a saucer on a wooden table",
    "chelsea": "A close-up photograph of a ginger tabby cat",
    "rocket": "A rocket on its launch pad, about to lift off",
    "retina": "A medical photograph of the retina of a human eye",
    "immunohistochemistry": "Stained tissue under a microscope",
    "hubble_deep_field": "Many galaxies and stars in the dark of deep space",
}


@pytest.fixture(scope="module")
def encoder() -> Any:
    return load_encoder("embedded:lite")


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    return [np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]) for name in CAPTIONS]


@pytest.fixture(scope="module")
def classes() -> tuple[Classes, TowerPairs]:
    """Some classes to fit on, and others dressed as pictures: their classifier rows with noise, and their names."""
    image_file, text_file = towers.tower_files()
    tower, reader = towers.load_image_tower(image_file), towers.load_text_tower(text_file)
    random = np.random.default_rng(0)
    found = classes_of_some(tower, reader, random.choice(1000, 300, replace=False))
    rows = found.rows[200:] + random.normal(0, 0.01, found.rows[200:].shape).astype(np.float32)
    nothing = np.zeros((len(rows), 11), np.float32)
    colours = random.normal(0, 1, nothing.shape).astype(np.float32)
    held_out = TowerPairs(
        rows, np.full((len(rows), 200), 1 / 200, np.float32), colours, found.embeddings[0, 200:], nothing
    )
    return Classes(found.rows[:200], found.embeddings[:, :200]), held_out


def classes_of_some(tower: towers.ImageTower, reader: towers.TextTower, chosen: np.ndarray) -> Classes:
    class Few:
        classifier = tower.classifier

    class Reader:
        @staticmethod
        def embed_all(texts: list[str]) -> np.ndarray:
            return reader.embed_all([texts[i] for i in chosen])

    found = classes_of(Few, Reader)  # type: ignore[arg-type]
    return Classes(found.rows[chosen], found.embeddings)


def test_own_captions_beat_others_on_photographs(encoder: Any, photographs: list[np.ndarray]) -> None:
    similarities = similarity_matrix(encoder.encode(photographs), encoder.encode(list(CAPTIONS.values())))
    assert auc(similarities, np.eye(len(CAPTIONS), dtype=bool)) > 0.7


def test_a_colour_is_seen(encoder: Any) -> None:
    red, blue = np.zeros((2, 80, 120, 3), np.uint8)
    red[..., 0], blue[..., 2] = 210, 210
    red_text, blue_text = encoder.encode(["a red wall", "a blue wall"])
    similarities = similarity_matrix(encoder.encode([red, blue]), [red_text, blue_text])
    assert similarities[0, 0] > similarities[0, 1]
    assert similarities[1, 1] > similarities[1, 0]


def test_vectors_are_of_unit_length_and_do_not_depend_on_the_batch(encoder: Any, photographs: list[np.ndarray]) -> None:
    together = encoder.encode(photographs)
    assert {vector.dtype for vector in together} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.linalg.norm(np.stack(together), axis=1), 1, atol=1e-5)
    alone = [encoder.encode([image])[0] for image in photographs]
    np.testing.assert_array_equal(np.stack(together), np.stack(alone))
    texts = [*CAPTIONS.values(), "fox " * 200, "a red, a blue and a green ball", ""]
    for one, text in zip(encoder.encode(texts), texts, strict=True):
        np.testing.assert_allclose(np.linalg.norm(one["chunks"], axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(one["chunks"], encoder.encode([text])[0]["chunks"])


def test_vectors_do_not_depend_on_the_number_of_threads() -> None:
    heads, random = Heads.load(HEADS), np.random.default_rng(0)
    sides = [random.dirichlet(np.ones(length), 8).astype(np.float32) for length in (1280, 1000, 11)]
    found = []
    for n_threads in (1, 2):
        with threadpoolctl.threadpool_limits(n_threads):
            found.append(heads.image_vectors(*sides))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("text", ["🎉🎂😀", "🐱!", "고양이", "两只绿苹果", "蓝色桌子上的红色杯子"])
def test_a_text_of_mostly_unknown_words_is_not_encoded(encoder: Any, text: str) -> None:
    with pytest.raises(CannotEncode) as refused:
        encoder.encode(["a cat", text])
    assert refused.value.reason == "text_unknown"


def test_an_unknown_word_among_known_ones_and_marks_alone_are_encoded(encoder: Any) -> None:
    assert len(encoder.encode(["a cat 🐱", "красная чашка", "!!!", "12345"])) == 4


def test_a_prompt_within_the_context_is_one_clause_and_a_longer_one_is_cut(encoder: Any) -> None:
    fits, cut = encoder.encode(["A red fox. It jumps.", "The red fox jumps over a log. " * 60])
    assert fits["clauses"] == ["A red fox. It jumps."]
    assert fits["n_tokens"] == 9
    assert len(cut["clauses"]) == len(cut["chunks"]) > 1
    assert cut["n_tokens"] > towers.CONTEXT_LENGTH
    assert " ".join(cut["clauses"]) == ("The red fox jumps over a log. " * 60).strip()


def test_it_loads_and_runs_without_network_and_says_what_it_is(no_network: None) -> None:
    encoder = load_encoder("embedded:lite")
    encoder.encode([np.zeros((8, 8, 3), np.uint8)])
    encoder.encode(["nothing"])
    headline = json.loads(METRICS.read_text())["headline"]
    assert encoder.name == "embedded:lite"
    assert "Apache-2.0" in encoder.licence
    assert re.fullmatch(r"[0-9a-f]{64}", encoder.weights_sha256)
    assert encoder.version
    assert encoder.note.startswith(f"weak offline encoder, AUC {headline['auc']:.2f} ")
    assert headline["what"] in encoder.note
    assert encoder.note.endswith("not CLIP; real weights: twinlens models fetch open_clip:ViT-B-32/laion2b_s34b_b79k")


def test_clip_stays_the_first_default() -> None:
    assert [library_of(name).library for name in default_names("adherence")] == ["open_clip", "embedded"]


@pytest.mark.slow
def test_fitting_twice_gives_the_same_heads_files_keep_them_and_pairs_that_are_fitted_on_are_closer_for_it(
    classes: tuple[Classes, TowerPairs], tmp_path: Path
) -> None:
    first, second = (fit_heads(*classes) for _ in range(2))
    first.save(tmp_path / "heads.npz")
    stored = Heads.load(tmp_path / "heads.npz")
    for name in Heads.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(stored, name))
    fitted_on, pairs = classes
    without = fit_heads(fitted_on, pairs, choices=Choices(template_weight=0))
    assert np.diag(pairs.similarities(first)).mean() > np.diag(pairs.similarities(without)).mean()


def test_the_card_shows_the_stored_numbers() -> None:
    assert tables_of(json.loads(METRICS.read_text())) in CARD.read_text()


def test_colour_words_are_whole_words_and_colour_shares_do_not_depend_on_size() -> None:
    import PIL.Image

    first, second, third = colour_words(["grey", "gray", "the bored redhead"])
    np.testing.assert_array_equal(first, second)
    assert not third.any()
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 250
    small = PIL.Image.fromarray(halves)
    large = small.resize((640, 640), PIL.Image.Resampling.NEAREST)
    np.testing.assert_allclose(*colour_shares([small, large]), atol=1e-6)


def test_known_answers_of_the_evaluation() -> None:
    random = np.random.default_rng(0).normal(size=(60, 60))
    by_chance = auc_estimate(random, np.eye(60, dtype=bool))
    assert by_chance["interval"][0] < 0.5 < by_chance["interval"][1]
    # margins remove what an image scores on every prompt
    similarities = np.eye(4)
    np.testing.assert_allclose(margins(similarities + np.arange(4)[:, None]), margins(similarities))
    swapped = swap_estimate([0, 0, 1], np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]))
    assert (swapped["value"], swapped["n"]) == (pytest.approx(0.5), 3)


def test_swaps_change_one_word_to_one_that_is_not_there() -> None:
    (swap,) = swaps(["A red fox. A river."], "colours", sentences=True)
    assert swap.true == "A red fox."
    assert re.fullmatch(r"A (?!red)\w+ fox\.", swap.altered)
    assert [one.altered.split()[-2:] for one in swaps(["red, a DOG here"], "objects", sentences=False)] != [
        ["DOG", "here"]
    ]


def test_families_join_templates_of_one_name_and_prompts_that_are_alike() -> None:
    pairs = [Pair(name, "", b"") for name in ("a", "b", "b", "c")]
    embeddings = np.array([[1.0, 0], [0, 1], [1, 0], [-1, 0]])
    first, second, third, alone = families(pairs, embeddings)
    assert first == second == third != alone


def test_training_without_packages_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="make encoder"):
        template_pairs(tmp_path)
    with pytest.raises(SourceMissing, match="make encoder"):
        clip_art_pairs(tmp_path)
