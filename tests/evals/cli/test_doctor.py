"""The doctor's first sentence: what can be scored, and the one command that adds most, from what was tried."""

import json

import pytest
from click.testing import CliRunner

from evals.cli.doctor import Check, ability
from evals.cli.main import main
from metrics.encoders.catalogue import ENCODERS, default_names

ALL = [Check(row.role, "ready", "works", name) for row in ENCODERS for name in default_names(row.role)]
CLIP, DETECTOR = "open_clip:ViT-B-32/laion2b_s34b_b79k", "owlv2:google/owlv2-base-patch16-ensemble"


def machine(*missing, weak=()):
    """Return the checks where the encoders of some roles are missing, but for those that are weak."""
    return [
        Check(
            check.what,
            "weak" if check.encoder in weak else "missing" if check.what in missing else "ready",
            "",
            check.encoder,
        )
        for check in ALL
    ]


@pytest.mark.parametrize(
    ("checks", "sentence", "most"),
    [
        (machine(), "This machine can score 8 of 8 dimensions.", None),
        (
            machine("adherence", "detector", weak=["embedded:lite"]),
            "This machine can score 7 of 8 dimensions, prompt adherence only weakly, scene structure not at all.",
            CLIP,
        ),
        (machine("detector", "vqa"), "7 of 8 dimensions, scene structure not at all.", DETECTOR),
        (machine("text", "perceptual"), "7 of 8 dimensions, text accuracy not", None),
    ],
    ids=["whole", "no hub", "no detector", "nothing to fetch"],
)
def test_the_first_sentence_says_what_can_be_scored_and_names_the_one_command_that_adds_most(checks, sentence, most):
    able = ability(checks)
    assert sentence in able.sentence()
    assert able.most == (most and f"twinlens models fetch {most}")


def test_the_doctor_begins_with_the_answer_and_gives_programs_the_same(monkeypatch):
    monkeypatch.setattr("evals.cli.doctor.examine", lambda progress: machine("detector"))
    monkeypatch.setenv("COLUMNS", "80")
    shown, document = (
        CliRunner().invoke(main, ["doctor", *more], catch_exceptions=False).stdout for more in ([], ["--json"])
    )
    lines, fetch = shown.splitlines(), f"twinlens models fetch {DETECTOR}"
    assert lines[:2] == [
        "This machine can score 7 of 8 dimensions, scene structure not at all.",
        f"This would add most: {fetch}",
    ]
    assert len(lines) <= 40
    assert (json.loads(document)["lacking"], json.loads(document)["most"]) == (["Scene structure"], fetch)
