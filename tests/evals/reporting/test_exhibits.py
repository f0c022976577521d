"""The evidence of a prompt: its pictures in order, what was seen in them, what they scored, and what never came."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evals.rating.stage import rate_run
from evals.reporting.annotations import Mark, annotations_of
from evals.reporting.exhibits import Column, Exhibit, Pair, collect
from evals.run import Run
from tests.run_folder import write_run

from .conftest import BERYL, ONYX, SYSTEMS, requests_of, samples_of, write_fake_run

SIGN, SCENE, MARA = ("signs", "bakery"), ("scenes", "scene-0"), ("portraits", "mara")


def exhibits_of(run: Run) -> dict[tuple[str, str], Exhibit]:
    return collect(run, rate_run(Run(run.path))["stars"], SYSTEMS)


def first_scene(run: Run) -> Column:
    return exhibits_of(run)[SCENE].columns[0]


def test_every_prompt_is_there_suite_by_suite_with_its_places_in_the_star_table(run: Run) -> None:
    found = exhibits_of(run)
    assert list(found) == [*(("scenes", f"scene-{n}") for n in range(6)), MARA, SIGN]
    scene = found[SCENE]
    assert scene.places["scenes:reproducibility"] == {
        BERYL: pytest.approx(0.944, abs=0.01),
        ONYX: pytest.approx(0.444, abs=0.01),
    }
    assert scene.higher("scenes:reproducibility") == BERYL
    assert scene.spread == pytest.approx(0.5, abs=0.01)


def test_shots_of_a_sequence_stand_together(run: Run) -> None:
    exhibit = exhibits_of(run)[MARA]
    assert (exhibit.unit, exhibit.prompts) == ("mara", ("Mara, shot 1", "Mara, shot 2"))
    assert [picture.label for picture in exhibit.columns[0].pictures] == ["shot 1", "shot 2"]
    scores = [column.scores[0].value for column in exhibit.columns]
    assert scores == ["0.700", "no face was found in the image"]


def test_shots_stand_in_their_order_whatever_seed_each_has_and_a_prompt_is_shown_once(run: Run) -> None:
    told = {"mara-1": {"seed": 9, "repeat": 0}, "mara-2": {"seed": 1, "repeat": None}}
    rows = [row | told.get(row["sample_id"][2:], {}) for row in run.samples.to_dict("records")]
    rows = [row | ({"prompt": "Mara, shot 1\n"} if row["sample_id"] == "o-mara-1" else {}) for row in rows]
    run.samples = pd.DataFrame(rows).astype({"shot": "Int64"}).set_index("sample_id", drop=False)
    exhibit = exhibits_of(run)[MARA]
    assert exhibit.prompts == ("Mara, shot 1", "Mara, shot 2")
    for column in exhibit.columns:
        assert [picture.label for picture in column.pictures] == ["shot 1 · seed 9", "shot 2 · seed 1"]


def sized(run: Run) -> Run:
    """The run with the sizes of its pictures, as scoring writes them."""
    run.samples = run.samples.assign(width=64, height=48)
    return run


def test_faces_are_marked_at_their_place_in_shares_of_the_picture(run: Run) -> None:
    picture = exhibits_of(sized(run))[MARA].columns[0].pictures[0]
    corners = ((0.1562, 0.1667), (0.625, 0.1667), (0.625, 0.9167), (0.1562, 0.9167))
    assert picture.annotations.marks == (Mark("face", corners),)


def test_without_its_size_a_picture_has_no_marks_in_pixels_and_what_was_told_in_shares_has() -> None:
    faces = ("identity.faces", ["s"], {"boxes": {"s": [[1, 2, 3, 4]]}})
    things = ("structure.all", ["s"], {"detections": [{"phrase": "cup", "box": [0, 0, 0.5, 1]}], "reasons": ["no bed"]})
    annotations = annotations_of("s", None, [faces, things], {"structure.all"})
    assert annotations.marks == (Mark("object", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), "cup"),)
    assert annotations.notes == ("no bed",)


def test_a_single_box_of_a_pair_is_marked_too(run: Run) -> None:
    run.scores = run.scores[run.scores["metric"] != "identity.faces"]
    boxes = {"b-mara-1": [16, 12, 32, 24], "b-mara-2": []}
    run.scores["details"] = [{"boxes": boxes} if name == "identity.self" else {} for name in run.scores["metric"]]
    first, second = exhibits_of(sized(run))[MARA].columns[0].pictures
    assert first.annotations.marks == (Mark("face", ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5))),)
    assert second.annotations.marks == ()


@pytest.mark.parametrize(
    ("metric", "details", "note"),
    [
        ("adherence.margin", {"rank": 1, "n_prompts": 12}, "of 12 prompts its own fits best"),
        ("adherence.margin", {"rank": 3, "n_prompts": 12}, "of 12 prompts its own fits only at place 3"),
        ("adherence.step_order", {"winners": [1, 3, 2]}, "fits step 3 better than its own"),
        ("brand.palette", {"colours": [{"colour": "#fff", "nearest": "#eee", "difference": 4.2}]},
         "#fff was asked for, #eee is nearest (CIEDE2000 4)"),
        ("editing.no_op", {"mean_difference": 22.4, "local_difference": 80.0},
         "differs from its source by 22 levels of 255 on average"),
    ],
)  # fmt: skip
def test_what_an_encoder_saw_is_said_in_words_where_the_row_is_made_of_it(metric: str, details: Any, note: str) -> None:
    measured = [(metric, ["a", "s", "b"], details)]
    assert annotations_of("s", None, measured, {metric}).notes == (note,)
    assert annotations_of("s", None, measured).notes == ()


def test_the_repeats_that_differ_most_are_a_pair_and_a_control_is_no_score(run: Run) -> None:
    scene = first_scene(run)
    assert scene.pair == Pair("repeat 0 against repeat 1", "", ("b-scene-0-0", "b-scene-0-1"))
    assert {score.metric: score.value for score in scene.scores} == {
        "reproducibility.ssim": "0.950",
        "reproducibility.mean_difference": "0.450",
    }


def test_an_edit_is_a_pair_with_the_picture_it_began_with(run: Run) -> None:
    sign = run.scores[run.scores["metric"] == "text.similarity"].iloc[[0]]
    run.scores = pd.concat([run.scores, sign.assign(metric="editing.preserved")], ignore_index=True)
    run.samples["reference_images"] = [["source.png"] if row == "b-bakery" else None for row in run.samples.index]
    exhibit = exhibits_of(run)[SIGN]
    assert exhibit.sources == ("source.png",)
    assert exhibit.columns[0].pair == Pair("the edit against its source", "source.png", ("b-bakery",))


def test_a_prompt_that_one_system_never_answered_is_shown(run: Run) -> None:
    run.samples = run.samples[run.samples["sample_id"] != "o-bakery"]
    run.scores = run.scores[[list(subject) != ["o-bakery"] for subject in run.scores["subject"]]]
    assert exhibits_of(run)[SIGN].columns[1].pictures == ()


def test_what_was_refused_is_told_with_its_reason_also_where_no_system_brought_a_picture(tmp_path: Any) -> None:
    samples = [sample for name in SYSTEMS for sample in samples_of(name, name[0])]
    *others, refused = requests_of(samples)
    run = write_fake_run(tmp_path / "run", requests=[*others, refused | {"prompt": "A street in the dark"}])
    refused = exhibits_of(run)["scenes", "scene-x"]
    assert refused.prompts == ("A street in the dark",)
    assert [column.outcomes for column in refused.columns] == [("refused: policy",), ()]
    assert [(column.withheld, column.pictures) for column in refused.columns] == [(True, ()), (False, ())]


def test_an_absent_encoder_is_not_repeated_at_every_picture(run: Run) -> None:
    adherence = run.scores["metric"].str.startswith("adherence.")
    run.scores.loc[adherence, "value"] = np.nan
    run.scores.loc[adherence, "reason"] = "encoder_unavailable"
    assert first_scene(run).pictures[0].scores == ()


def test_an_index_by_sample_and_pairs_over_all_images_change_nothing(run: Run) -> None:
    before = exhibits_of(run)
    pair = run.scores.iloc[0].to_dict() | {"metric": "identity.pairs", "subject": ["b-mara-1", "o-mara-1"]}
    run.scores = pd.concat([run.scores, pd.DataFrame([pair | {"value": 0.1}])], ignore_index=True)
    assert exhibits_of(run) == before


def test_prompts_that_ask_for_the_same_are_one(tmp_path: Any) -> None:
    rows = [{"sample_id": f"{n}{system}", "system": system, "suite": "s", "prompt_id": n, "prompt": "a cup",
             "file_name": f"{n}{system}.png"} for n in "ab" for system in SYSTEMS]  # fmt: skip
    run = Run(write_run(tmp_path / "run", rows, []))
    (exhibit,) = exhibits_of(run).values()
    assert [len(column.pictures) for column in exhibit.columns] == [2, 2]
