from typing import Any

import numpy as np
import pandas as pd
import PIL.Image

from evals.reporting import gallery
from evals.reporting.gallery import collect

SYSTEMS = ["beryl@fake", "onyx@fake"]


def test_prompts_come_in_the_order_of_their_difference(run: Any) -> None:
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    assert [exhibit.id for exhibit in scenes.exhibits] == ["scene-0", "scene-1", "scene-2"]
    assert scenes.exhibits[0].why.startswith("Structural similarity differs by ")


def test_no_more_prompts_than_asked_for(run: Any) -> None:
    scenes = next(suite for suite in collect(run, SYSTEMS, prompts_per_suite=2) if suite.suite == "scenes")
    assert (len(scenes.exhibits), scenes.total) == (2, 3)


def test_shots_of_a_sequence_stand_together(run: Any) -> None:
    portraits = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "portraits")
    (exhibit,) = portraits.exhibits
    assert exhibit.id == "mara"
    assert exhibit.prompts == ("Mara, shot 1", "Mara, shot 2")
    assert [picture.label for picture in exhibit.columns[0].pictures] == ["shot 1", "shot 2"]
    assert exhibit.columns[0].scores[0].value == "0.700"
    assert exhibit.columns[1].scores[0].value == "no face was found in the image"


def test_face_boxes_are_drawn_at_their_place(run: Any) -> None:
    portraits = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "portraits")
    picture = portraits.exhibits[0].columns[0].pictures[0]
    assert picture.faces == (((10.0, 8.0), (40.0, 8.0), (40.0, 44.0), (10.0, 44.0)),)
    assert (picture.width, picture.height) == (64, 48)
    assert "1 face marked" in picture.alt


def test_a_single_box_of_a_pair_is_drawn_too(run: Any) -> None:
    run.scores = run.scores[run.scores["metric"] != "identity.faces"]
    boxes = {"b-mara-1": [1, 2, 3, 4], "b-mara-2": []}
    run.scores["details"] = [{"boxes": boxes} if name == "identity.self" else {} for name in run.scores["metric"]]
    portraits = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "portraits")
    first, second = portraits.exhibits[0].columns[0].pictures
    assert first.faces == (((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0)),)
    assert second.faces == ()


def test_controls_are_no_scores_of_a_picture(run: Any) -> None:
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    (similarity,) = scenes.exhibits[0].columns[0].scores
    assert similarity.value == "0.950"


def test_repeats_are_mapped_where_they_differ(run: Any) -> None:
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    repeats = scenes.exhibits[0].columns[0].repeats
    assert repeats is not None
    assert repeats.label == "repeat 0 against repeat 1"
    assert repeats.map is not None
    assert 8 <= repeats.map.largest <= 16


def test_repeats_of_other_sizes_have_no_map(run: Any) -> None:
    PIL.Image.new("RGB", (20, 20)).save(run.folder / "b-scene-0-1.png")
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    repeats = scenes.exhibits[0].columns[0].repeats
    assert repeats is not None
    assert repeats.map is None


def test_many_pictures_are_cut_and_counted(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(gallery, "PICTURES_PER_SYSTEM", 1)
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    column = scenes.exhibits[0].columns[0]
    assert (len(column.pictures), column.more) == (1, 1)


def test_a_prompt_that_one_system_never_answered_is_shown(run: Any) -> None:
    run.samples = run.samples[run.samples["sample_id"] != "o-bakery"]
    run.scores = run.scores[[subject != ["o-bakery"] for subject in run.scores["subject"]]]
    signs = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "signs")
    assert signs.exhibits[0].columns[1].pictures == ()


def test_an_absent_encoder_is_not_repeated_at_every_picture(run: Any) -> None:
    adherence = run.scores["metric"] == "adherence.clip"
    run.scores.loc[adherence, "value"] = np.nan
    run.scores.loc[adherence, "reason"] = "encoder_unavailable"
    scenes = next(suite for suite in collect(run, SYSTEMS) if suite.suite == "scenes")
    assert scenes.exhibits[0].columns[0].pictures[0].scores == ()


def test_a_table_indexed_by_sample_is_read_the_same(run: Any) -> None:
    before = collect(run, SYSTEMS)
    run.samples = run.samples.set_index("sample_id", drop=False)
    assert collect(run, SYSTEMS) == before


def test_pairs_over_all_images_belong_to_no_prompt(run: Any) -> None:
    row = run.scores.iloc[0].to_dict() | {"metric": "identity.pairs", "subject": ["b-mara-1", "o-mara-1"], "value": 0.1}
    before = collect(run, SYSTEMS)
    run.scores = pd.concat([run.scores, pd.DataFrame([row])], ignore_index=True)
    assert collect(run, SYSTEMS) == before
