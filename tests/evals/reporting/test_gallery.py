"""The document of the gallery: all prompts or the farthest apart, and no text that could leave the script."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.rating.stage import rate_run
from evals.reporting import gallery
from evals.reporting.copies import Copies
from evals.reporting.exhibits import Exhibit, collect
from evals.run import Run

from .conftest import SYSTEMS, write_fake_run


def read(run: Run, out: Path, change: Any = list) -> dict[str, Any]:
    """The document of a run as the page reads it."""
    stars, copies = rate_run(Run(run.path))["stars"], Copies(run, out)
    exhibits = change(collect(run, stars, SYSTEMS).values())
    copies.make(exhibits)
    text = gallery.document(exhibits, stars, SYSTEMS, copies)
    assert not set("<>&\u202e\x1b") & set(text)
    return json.loads(text)


def test_a_prompt_has_its_stars_and_who_is_higher_and_each_picture_its_copy_and_scores(
    run: Run, tmp_path: Path
) -> None:
    document = read(run, tmp_path)
    assert document["suites"] == ["scenes", "portraits", "signs"]
    scene = document["prompts"][0]
    assert (scene["id"], scene["texts"]) == ("scene-0", ["A street of 0 lamps"])
    row = "scenes:reproducibility"
    assert (scene["rows"][row], scene["higher"][row]) == ([4.8, 2.8], 0)
    first = scene["columns"][0]["pictures"][0]
    assert (tmp_path / first["address"]).is_file()
    assert (first["width"], first["height"], first["label"]) == (64, 48, "repeat 0")
    assert {document["metrics"][score[0]] for score in first["scores"]} >= {"Prompt adherence, raw"}
    assert scene["columns"][0]["difference"]["label"] == "repeat 0 against repeat 1"
    assert "withheld" not in scene["columns"][0]


def test_hostile_text_is_shown_and_neither_leaves_the_script_nor_turns_a_line(tmp_path: Path) -> None:
    attack = "</script><!-- \u202e \x1b[2J {{ 7*7 }} &lt;"
    run = write_fake_run(tmp_path / "run", change=lambda row: row | ({"prompt": attack} if "prompt" in row else {}))
    texts = {text for prompt in read(run, tmp_path / "out")["prompts"] for text in prompt["texts"]}
    assert texts == {"</script><!-- \\u202e \\u001b[2J {{ 7*7 }} &lt;"}


def exhibit(suite: str, unit: str, *places: float) -> Exhibit:
    return Exhibit(suite, unit, (unit,), (), (), {"row": dict(zip("ab", places, strict=True))} if places else {})


@pytest.mark.parametrize(("n", "units"), [(None, "abcd"), (1, "bd"), (2, "bcd"), (9, "abcd")])
def test_so_many_prompts_of_a_suite_are_those_farthest_apart_in_their_order(n: int | None, units: str) -> None:
    every = [exhibit("s", "a"), exhibit("s", "b", 0.1, 0.9), exhibit("s", "c", 0.5, 0.4), exhibit("t", "d")]
    assert "".join(one.unit for one in gallery.limited(every, n)) == units
