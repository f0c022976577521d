"""Pictures behind a star: side by side, with their place on the scale, and a sentence where there is none."""

from typing import Any

import pandas as pd

from evals.reporting.picture_figures import deciding_figure, pair_figure

BERYL, ONYX = SYSTEMS = ["beryl@fake", "onyx@fake"]


def row(*deciding: dict[str, Any]) -> dict[str, Any]:
    return {"id": "scenes", "title": "Scenes", "suite": "scenes", "deciding": list(deciding)}


def prompt(name: str, beryl: list[str], onyx: list[str]) -> dict[str, Any]:
    return {
        "prompt": name,
        "shares": {BERYL: 0.9, ONYX: 0.0},
        "samples": {BERYL: beryl, ONYX: onyx},
        "against": name == "scene-5",
    }


def sentences(figure: Any) -> list[str]:
    return [text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts]


def test_each_deciding_prompt_shows_every_systems_pictures_under_the_prompts_words(run):
    figure = deciding_figure(run, row(prompt("scene-1", ["b-scene-1-0", "b-scene-1-1"], ["o-scene-1-0"])), SYSTEMS)
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0]
    assert figure.axes[0].get_title(loc="left") == "beryl@fake\n0.90 of the scale"
    assert [line.get_suptitle() for line in figure.subfigs] == ["A street of 1 lamps"]
    figure = deciding_figure(run, row(prompt("scene-5", ["b-scene-5-0"], [])), SYSTEMS)
    assert figure.subfigs[0].get_suptitle() == "Against it: A street of 5 lamps"


def test_a_refused_prompt_and_a_file_that_is_gone_have_their_sentences(run):
    run.image_path("b-scene-1-0").unlink()
    shown = sentences(deciding_figure(run, row(prompt("scene-1", ["b-scene-1-0"], [])), SYSTEMS))
    assert {"no picture was delivered", "The image file is no longer there, or is not the one that was scored."} <= set(
        shown
    )


def test_a_set_without_sequences_finds_its_prompts_too(run):
    run.samples = pd.DataFrame(run.samples).drop(columns="sequence_id")
    figure = deciding_figure(run, row(prompt("scene-2", ["b-scene-2-0"], ["o-scene-2-0"])), SYSTEMS)
    assert figure.subfigs[0].get_suptitle() == "A street of 2 lamps"


def test_a_pair_has_the_map_of_its_difference(run):
    figure = pair_figure(run, [("beryl", ["b-scene-0-0", "b-scene-0-1"]), ("itself", ["b-scene-0-0"] * 2)])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert (titles[0], titles[3], titles[5]) == ("beryl", "itself", "differ by 0.0 levels")
    assert titles[2] == "differ by 4.0 levels"
    assert all(len(axes.images) == 1 for axes in figure.axes)


def test_nothing_to_show_is_an_empty_figure(run, tmp_path):
    pair_figure(run, []).savefig(tmp_path / "pairs.png")
    deciding_figure(run, row(), SYSTEMS).savefig(tmp_path / "deciding.png")
