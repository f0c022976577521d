import re
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image

from evals.reporting import gallery
from evals.reporting.gallery import Column, SuiteGallery, collect
from evals.run import Run

SYSTEMS = ["beryl@fake", "onyx@fake"]


def gallery_of(run: Run, name: str, **options: int) -> SuiteGallery:
    return next(suite for suite in collect(run, SYSTEMS, **options) if suite.suite == name)


def first_scene(run: Run) -> Column:
    (exhibit,) = (exhibit for exhibit in gallery_of(run, "scenes").exhibits if exhibit.id == "scene-0")
    return exhibit.columns[0]


def test_prompts_come_in_the_order_of_their_difference_and_no_more_than_asked_for(run: Run) -> None:
    exhibits = gallery_of(run, "scenes").exhibits
    sizes = [float(re.search(r"differs by ([\d.]+) standard deviations", exhibit.why)[1]) for exhibit in exhibits]
    assert sizes == sorted(sizes, reverse=True)
    scenes = gallery_of(run, "scenes", prompts_per_suite=2)
    assert (scenes.exhibits, scenes.total) == (exhibits[:2], 6)


def test_shots_of_a_sequence_stand_together(run: Run) -> None:
    (exhibit,) = gallery_of(run, "portraits").exhibits
    assert (exhibit.id, exhibit.prompts) == ("mara", ("Mara, shot 1", "Mara, shot 2"))
    assert [picture.label for picture in exhibit.columns[0].pictures] == ["shot 1", "shot 2"]
    scores = [column.scores[0].value for column in exhibit.columns]
    assert scores == ["0.700", "no face was found in the image"]


def test_shots_stand_in_their_order_whatever_seed_each_has_and_a_prompt_is_shown_once(run: Run) -> None:
    told = {"mara-1": {"seed": 9, "repeat": 0}, "mara-2": {"seed": 1, "repeat": None}}
    rows = [row | told.get(row["sample_id"][2:], {}) for row in run.samples.to_dict("records")]
    rows = [row | ({"prompt": "Mara, shot 1\n"} if row["sample_id"] == "o-mara-1" else {}) for row in rows]
    run.samples = pd.DataFrame(rows).astype({"shot": "Int64"}).set_index("sample_id", drop=False)
    (exhibit,) = gallery_of(run, "portraits").exhibits
    assert exhibit.prompts == ("Mara, shot 1", "Mara, shot 2")
    for column in exhibit.columns:
        assert [picture.label for picture in column.pictures] == ["shot 1 · seed 9", "shot 2 · seed 1"]


def test_face_boxes_are_drawn_at_their_place(run: Run) -> None:
    picture = gallery_of(run, "portraits").exhibits[0].columns[0].pictures[0]
    assert picture.faces == (((10.0, 8.0), (40.0, 8.0), (40.0, 44.0), (10.0, 44.0)),)
    assert (picture.width, picture.height) == (64, 48)
    assert "1 face marked" in picture.alt


def test_a_single_box_of_a_pair_is_drawn_too(run: Run) -> None:
    run.scores = run.scores[run.scores["metric"] != "identity.faces"]
    boxes = {"b-mara-1": [1, 2, 3, 4], "b-mara-2": []}
    run.scores["details"] = [{"boxes": boxes} if name == "identity.self" else {} for name in run.scores["metric"]]
    first, second = gallery_of(run, "portraits").exhibits[0].columns[0].pictures
    assert first.faces == (((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0)),)
    assert second.faces == ()


def test_repeats_are_mapped_where_they_differ_and_are_of_one_size(run: Run) -> None:
    scene = first_scene(run)
    assert scene.scores[0].value == "0.950", "a control is no score of a picture"
    assert scene.repeats.label == "repeat 0 against repeat 1"
    assert 8 <= scene.repeats.map.largest <= 16
    PIL.Image.new("RGB", (20, 20)).save(run.path / "images/b-scene-0-1.png")
    assert first_scene(run).repeats.map is None


def test_many_pictures_are_cut_and_counted(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(gallery, "PICTURES_PER_SYSTEM", 1)
    column = first_scene(run)
    assert (len(column.pictures), column.more) == (1, 1)


def test_a_prompt_that_one_system_never_answered_is_shown(run: Run) -> None:
    run.samples = run.samples[run.samples["sample_id"] != "o-bakery"]
    run.scores = run.scores[[list(subject) != ["o-bakery"] for subject in run.scores["subject"]]]
    assert gallery_of(run, "signs").exhibits[0].columns[1].pictures == ()


def test_an_absent_encoder_is_not_repeated_at_every_picture(run: Run) -> None:
    adherence = run.scores["metric"].str.startswith("adherence.")
    run.scores.loc[adherence, "value"] = np.nan
    run.scores.loc[adherence, "reason"] = "encoder_unavailable"
    assert first_scene(run).pictures[0].scores == ()


def test_an_index_by_sample_and_pairs_over_all_images_change_nothing(run: Run) -> None:
    before = collect(run, SYSTEMS)
    run.samples = run.samples.set_index("sample_id", drop=False)
    pair = run.scores.iloc[0].to_dict() | {
        "metric": "identity.pairs",
        "subject": ["b-mara-1", "o-mara-1"],
        "value": 0.1,
    }
    run.scores = pd.concat([run.scores, pd.DataFrame([pair])], ignore_index=True)
    assert collect(run, SYSTEMS) == before
