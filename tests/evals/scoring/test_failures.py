"""What a metric or an encoder trips over is the reason of that subject; the others keep their values."""

import dataclasses
import json

import numpy as np
import PIL.Image
import pytest

from evals.imageset.imageset import write_image_set
from evals.scoring.stage import score
from evals.scoring.trial import measure_metric
from metrics import reproducibility
from metrics.catalogue import metric
from metrics.encoders import catalogue
from metrics.encoders.catalogue import CannotEncode, EncoderUnavailable

DIFFERENCE = metric("reproducibility.mean_difference")
ERRORS = {error.__name__: error for error in (ZeroDivisionError, MemoryError, KeyboardInterrupt, EncoderUnavailable)}


def trips(subjects):
    for subject in subjects:
        if error := ERRORS.get(subject.rows[0]["prompt"]):
            raise error("over this")
    return reproducibility.mean_difference(subjects)


def counts_wrong(subjects):
    return reproducibility.mean_difference(subjects)[:-1]


@pytest.fixture
def run_with(repeats, tmp_path):
    """Return a function that scores the repeats, the prompt of one of them an error's name."""

    def scored(error):
        lines = (repeats / "metadata.jsonl").read_text()
        (repeats / "metadata.jsonl").write_text(lines.replace('"prompt 3"', json.dumps(error)))
        return score(repeats, tmp_path / "run", [DIFFERENCE.id])

    return scored


def test_a_metric_that_fails_on_some_subjects_has_the_values_of_the_others(run_with):
    run = run_with("ZeroDivisionError")
    own = dataclasses.replace(DIFFERENCE, id="own.difference", function=f"{__name__}:trips")
    found, expected = measure_metric(run, own), run.scores
    failed = found["reason"] == "metric_failed"
    assert failed.equals(expected["prompt_id"] == "p3")
    assert json.loads(found["details"][failed].iloc[0])["what"] == "ZeroDivisionError: over this"
    assert found["value"][~failed].tolist() == expected["value"][~failed].tolist()


@pytest.mark.parametrize("error", ["MemoryError", "KeyboardInterrupt", "EncoderUnavailable"])
def test_what_is_no_subject_s_own_still_ends_the_run(run_with, error):
    own = dataclasses.replace(DIFFERENCE, id="own.difference", function=f"{__name__}:trips")
    with pytest.raises(ERRORS[error]):
        measure_metric(run_with(error), own)


def test_a_metric_that_leaves_subjects_out_has_no_values(run_with):
    own = dataclasses.replace(DIFFERENCE, id="own.difference", function=f"{__name__}:counts_wrong")
    assert set(measure_metric(run_with("prompt 3"), own)["reason"]) == {"metric_failed"}


class HalfBlind:
    """An adherence encoder that knows no word of prompts with a cat's face."""

    name, licence, weights_sha256, version = "open_clip:half-blind", "none", None, "1"

    def encode(self, batch):
        if any(isinstance(each, str) and "🐱" in each for each in batch):
            raise CannotEncode("text_unknown", "no word of it is known")
        return [self._text(each) if isinstance(each, str) else self._vector(each.mean()) for each in batch]

    def _text(self, text):
        return {"chunks": self._vector(len(text))[None], "clauses": [text], "n_tokens": 3}

    def _vector(self, angle):
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_a_text_that_the_encoder_does_not_know_is_a_reason_and_nobody_s_decoy(tmp_path, monkeypatch):
    monkeypatch.setattr("evals.scoring.encoders.load_encoder", lambda name, device="auto": HalfBlind())
    assert catalogue.library_of(HalfBlind.name).role == "adherence"
    samples = [
        (PIL.Image.new("RGB", (8, 8), (40 * n, 9, 9)), {"system": "a", "prompt": prompt})
        for n, prompt in enumerate(("a dog", "a red fox", "🐱"))
    ]
    folder = write_image_set(tmp_path / "set", samples)
    scores = score(folder, tmp_path / "run", ["adherence.clip", "adherence.margin"]).scores
    own = scores[scores["control"].isna()].set_index(["metric", "prompt_id"])
    for name in ("adherence.clip", "adherence.margin"):
        assert sorted(own.loc[name, "reason"].dropna()) == ["text_unknown"]
        assert own.loc[name, "value"].notna().sum() == 2
    margins = own.loc["adherence.margin"]
    assert [details["n_prompts"] for details in margins["details"][margins["value"].notna()]] == [2, 2]
