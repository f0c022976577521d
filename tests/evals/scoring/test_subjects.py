"""Which subjects are planned, and that each control re-arranges exactly what its name says."""

import random
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.imageset.prompts import with_one_text_a_prompt, words_of_prompt
from evals.scoring import subjects
from evals.scoring.plans import ImageKey
from evals.scoring.subjects import plan_subjects
from metrics.catalogue import METRICS, metric


def rows(systems=("a", "b"), prompts=4, **more):
    return [
        {"file_name": f"{s}{p}.png", "system": s, "suite": "s", "prompt": f"prompt {p}", "prompt_id": f"p{p}", **more}
        for s in systems
        for p in range(prompts)
    ]


def sequence_rows(characters=3, shots=4, system="a"):
    return [
        {
            "file_name": f"{system}{name}{shot}.png", "system": system, "suite": "s", "prompt": "p",
            "prompt_id": f"c{name}-{shot}", "sequence_id": f"c{name}", "shot": shot,
        }
        for name in range(characters)
        for shot in reversed(range(shots))
    ]  # fmt: skip


def own(plans):
    return [plan for plan in plans if plan.control is None]


def controls(plans, name):
    return [plan for plan in plans if plan.control == name]


def test_every_sample_is_held_against_its_own_prompt_and_against_others():
    table = rows()
    plans = list(plan_subjects(metric("adherence.clip"), table))
    assert [plan.prompt for plan in own(plans)] == [row["prompt"] for row in table]
    shuffled = controls(plans, "shuffled_prompt")
    assert len(shuffled) == len(table) * 3
    assert all(plan.prompt != table[plan.rows[0]]["prompt"] for plan in shuffled)
    assert {plan.prompt for plan in shuffled if plan.rows == (0,)} == {"prompt 1", "prompt 2", "prompt 3"}


def test_shuffled_prompts_stay_within_the_suite():
    table = rows(prompts=2) + [row | {"suite": "t", "prompt": "other", "file_name": "x.png"} for row in rows(prompts=1)]
    for plan in controls(plan_subjects(metric("adherence.clip"), table), "shuffled_prompt"):
        assert (plan.prompt == "other") == (table[plan.rows[0]]["suite"] == "t")


def test_margin_looks_at_all_prompts_of_the_suite_as_one_shared_object():
    table = rows() + [row | {"suite": "t", "prompt": "other", "file_name": "x.png"} for row in rows(prompts=1)[:1]]
    plans = list(plan_subjects(metric("adherence.margin"), table))
    own_decoys = {id(plan.decoys) for plan in own(plans) if table[plan.rows[0]]["suite"] == "s"}
    assert len(own_decoys) == 1
    assert sorted(own(plans)[0].decoys) == [f"prompt {n}" for n in range(4)]
    assert own(plans)[-1].decoys == ("other",)
    assert all(plan.prompt in plan.decoys for plan in plans)


def test_decoys_do_not_depend_on_names_of_systems_or_order_of_rows():
    def decoys(table):
        plans = controls(plan_subjects(metric("adherence.clip"), table), "shuffled_prompt")
        return {(table[plan.rows[0]]["prompt"], plan.prompt) for plan in plans}

    table = rows(prompts=9)
    renamed = [row | {"system": {"a": "zz", "b": "aa"}[row["system"]]} for row in table]
    assert decoys(table) == decoys(list(reversed(renamed)))


def test_shots_are_paired_within_a_sequence_in_order_of_shots():
    table = sequence_rows(characters=2, shots=3)
    plans = own(plan_subjects(metric("identity.self"), table))
    assert len(plans) == 2 * 3
    for plan in plans:
        first, second = (table[i] for i in plan.rows)
        assert first["sequence_id"] == second["sequence_id"]
        assert first["shot"] < second["shot"]


def test_previous_shot_is_the_one_before_even_where_one_is_missing():
    table = [row for row in sequence_rows(characters=1, shots=4) if row["shot"] != 1]
    plans = own(plan_subjects(metric("identity.previous"), table))
    assert [[table[i]["shot"] for i in plan.rows] for plan in plans] == [[0, 2], [2, 3]]


SEQUENCE_METRICS = [spec for spec in METRICS if spec.subject in ("shots", "consecutive", "sequence")]


def planned(spec, table):
    """Return each plan by what it is made of, whatever the order of rows and the seeds in them."""
    return sorted(
        (str(plan.control), [table[i]["file_name"] for i in plan.rows], [image.name for image in plan.images])
        for plan in plan_subjects(spec, table)
    )


@pytest.mark.parametrize("spec", SEQUENCE_METRICS, ids=lambda spec: spec.id)
@given(seeds=st.lists(st.sampled_from([None, 0, 1, 7]), min_size=24, max_size=24), data=st.data())
def test_shots_belong_together_whatever_seed_each_of_them_has(spec, seeds, data):
    table = [
        row | {"prompt": row["prompt_id"], "palette": ["#aa0000"]}
        for row in sequence_rows() + sequence_rows(system="b")
    ]
    of_one_seed = planned(spec, [row | {"seed": 1, "repeat": 0} for row in table])
    # No repeat is the first.
    repeats = st.sampled_from([{}, {"repeat": None}, {"repeat": 0}])
    mixed = [row | {"seed": seed} | data.draw(repeats) for row, seed in zip(table, seeds, strict=True)]
    assert planned(spec, mixed) == of_one_seed
    if not spec.controls:
        assert all(control == "None" for control, *_ in of_one_seed)


def shots_of(plan, table):
    return [table[i]["shot"] for i in plan.rows]


def test_a_repeat_of_a_sequence_is_a_sequence_of_its_own():
    table = [
        row | {"repeat": n, "seed": n, "file_name": f"{n}{row['file_name']}"}
        for n in (0, 1)
        for row in sequence_rows(1)
    ]
    for plan in own(plan_subjects(metric("identity.self"), table)):
        assert len({table[i]["repeat"] for i in plan.rows}) == 1
    assert len(own(plan_subjects(metric("identity.self"), table))) == 2 * 6


def test_every_picture_of_a_shot_that_is_there_twice_is_held_against_all_other_shots():
    table = [*sequence_rows(1, 3), sequence_rows(1, 3)[1] | {"seed": 9, "file_name": "again.png"}]
    assert table[-1]["shot"] == 1
    pairs = [shots_of(plan, table) for plan in own(plan_subjects(metric("identity.self"), table))]
    assert sorted(pairs) == [[0, 1], [0, 1], [0, 2], [1, 2], [1, 2]]
    neighbours = [shots_of(plan, table) for plan in own(plan_subjects(metric("identity.previous"), table))]
    assert sorted(neighbours) == [[0, 1], [0, 1], [1, 2], [1, 2]]
    (whole,) = own(plan_subjects(metric("identity.drift"), table))
    assert shots_of(whole, table) == [0, 1, 1, 2]


@pytest.mark.parametrize("name", ["identity.self", "identity.previous", "identity.people"])
def test_a_shot_without_another_one_leaves_its_reason(name):
    table = [*sequence_rows(1, 1), *sequence_rows(1, 2, system="b")]
    plans = own(plan_subjects(metric(name), table))
    assert sorted((plan.rows, plan.reason) for plan in plans) == [((0,), "too_few_shots"), ((2, 1), None)]


def story(*prompts):
    return [
        {"file_name": f"{n}.png", "system": "a", "suite": "s", "prompt": prompt, "prompt_id": str(n),
         "sequence_id": "q", "shot": n}
        for n, prompt in enumerate(prompts)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompts", "shown"),
    [("abc", "bca"), ("aab", "bba"), ("aba", "bab"), ("aabb", "bbaa"), ("aaa", None), ("a", None)],
)
def test_in_shuffled_steps_no_picture_stands_where_its_own_words_are_asked(prompts, shown):
    table = story(*prompts)
    shuffled = controls(plan_subjects(metric("adherence.step_order"), table), "shuffled_steps")
    assert ["".join(prompts[int(image.name[0])] for image in plan.images) for plan in shuffled] == [shown] * bool(shown)


FORMS = st.sampled_from(["{}", "{}\n", "  {}", "{} ", "\ufeff{}"])


@given(st.lists(st.tuples(st.sampled_from(["a cup", "a jar", "caf\u00e9"]), FORMS, st.booleans()), min_size=1))
def test_no_prompt_is_a_decoy_or_a_control_of_itself_in_whatever_form(asked):
    texts = [form.format(unicodedata.normalize("NFD", words) if apart else words) for words, form, apart in asked]
    edit = {"system": "a", "suite": "s", "sequence_id": "q"}
    table = with_one_text_a_prompt(
        [
            edit | {"file_name": f"{n}.png", "prompt": text, "prompt_id": f"p{n}", "shot": n}
            for n, text in enumerate(texts)
        ]
    )
    for name in ("adherence.clip", "adherence.margin", "adherence.vqa"):
        for plan in plan_subjects(metric(name), table):
            target, held = asked[plan.rows[0]][0], words_of_prompt(plan.question or plan.prompt)
            assert (held == target) == (plan.control != "shuffled_prompt")
            assert len(set(map(words_of_prompt, plan.decoys))) == len(plan.decoys)
    for plan in controls(plan_subjects(metric("adherence.step_order"), table), "shuffled_steps"):
        assert all(
            asked[i][0] != asked[int(image.name[:-4])][0] for i, image in zip(plan.rows, plan.images, strict=True)
        )


def test_an_edit_is_no_unrelated_picture_to_the_same_words_where_words_are_looked_at():
    table = [
        row | {"prompt": "make it night" if n < 2 else "add a boat", "reference_images": [f"source{n}.png"]}
        for n, row in enumerate(rows(systems=("a",), prompts=3))
    ]

    def unrelated(name):
        plans = controls(plan_subjects(metric(name), table), "unrelated_picture")
        return {(plan.rows[0], plan.images[0].name) for plan in plans}

    assert unrelated("editing.follows") == {(0, "a2.png"), (1, "a2.png"), (2, "a0.png"), (2, "a1.png")}
    # What lies outside of the mask must be the source's, whatever the words are.
    assert len(unrelated("editing.preserved")) == 3


def test_impostors_are_of_other_sequences_of_the_same_system():
    table = sequence_rows() + sequence_rows(system="b")
    impostors = controls(plan_subjects(metric("identity.self"), table), "impostor")
    assert impostors
    for plan in impostors:
        first, second = (table[i] for i in plan.rows)
        assert first["sequence_id"] != second["sequence_id"]
        assert first["system"] == second["system"]


def test_impostor_references_share_neither_picture_nor_sequence():
    references = [["anna0.png"], ["anna1.png"], ["bob.png", "group.png"], ["cyd.png", "group.png"]]
    sequences = ["anna", "anna", "bob", "cyd"]
    table = [
        row | {"reference_images": names, "sequence_id": sequence}
        for row, names, sequence in zip(rows(systems=("a",)), references, sequences, strict=True)
    ]
    plans = controls(plan_subjects(metric("identity.reference"), table), "impostor")
    held = {(plan.rows[0], plan.references[0].name) for plan in plans}
    anna, others = ("anna0.png", "anna1.png"), ("bob.png", "cyd.png")
    assert held == {(n, name) for n in (0, 1) for name in others} | {(n, name) for n in (2, 3) for name in anna}


def test_samples_without_a_text_are_not_planned_and_lists_of_lines_are_rendered_line_by_line():
    table = rows(systems=("a",), prompts=6)
    for row, text in zip(table, ["OPEN", "  ", ["", " "], [], ["OPEN", "24 HOURS"]], strict=False):
        row["expected_text"] = text
    plans = list(plan_subjects(metric("text.cer"), table))
    assert [plan.rows for plan in own(plans)] == [(0,), (4,)]
    rendered = [plan.images for plan in controls(plans, "rendered_text")]
    texts = {table[0]["file_name"]: "OPEN", table[4]["file_name"]: "OPEN\n24 HOURS"}
    assert rendered == [(ImageKey("rendering", text, like=name),) for name, text in texts.items()]


def test_what_was_read_is_held_against_other_texts_of_the_suite_and_nothing_is_read_anew():
    texts = ["OPEN", "CLOSED", "OPEN", "24 HOURS"]
    table = [row | {"expected_text": texts[n]} for n, row in enumerate(rows(systems=("a",)))]
    shuffled = controls(plan_subjects(metric("text.cer"), table), "shuffled_text")
    assert [plan.rows for plan in shuffled] == [(n,) for n in range(4) for _ in range(2)]
    for plan in shuffled:
        (row,) = (table[i] for i in plan.rows)
        assert plan.images == (ImageKey("file", row["file_name"]),)
        assert table[plan.described_by]["expected_text"] != row["expected_text"]


def test_one_grey_rectangle_stands_for_every_picture_of_a_prompt():
    plans = controls(plan_subjects(metric("adherence.margin"), rows()), "blank_picture")
    assert [plan.prompt for plan in plans] == [f"prompt {n}" for n in range(4)]
    assert {plan.images for plan in plans} == {(ImageKey("blank", ""),)}
    assert {len(plan.decoys) for plan in plans} == {4}


def test_masks_are_filled_with_another_items_picture_of_the_system_and_once_a_prompt_with_grey():
    table = [
        row | {"reference_images": [f"source{row['prompt_id']}.png"], "mask": f"mask{row['prompt_id']}.png"}
        for row in rows(prompts=3)
    ]
    table[0]["mask"] = None
    plans = list(plan_subjects(metric("editing.direction"), table))
    fills, greys = controls(plans, "unrelated_fill"), controls(plans, "blank_fill")
    assert sorted(plan.rows[0] for plan in fills) == [n for n in range(1, 6) for _ in range(2)]
    assert sorted(plan.images[0].name for plan in greys) == ["sourcep0.png", "sourcep1.png", "sourcep2.png"]
    for plan in fills + greys:
        ((image,), own_row) = plan.images, table[plan.rows[0]]
        assert (image.kind, image.name, image.mask) == ("filled", *own_row["reference_images"], own_row["mask"])
        if filled_from := [row for row in table if row["file_name"] == image.filling]:
            assert filled_from[0]["system"] == own_row["system"]
            assert filled_from[0]["prompt_id"] != own_row["prompt_id"]
        else:
            assert image.filling == ""
    assert not controls(plan_subjects(metric("editing.preserved"), table), "unrelated_fill"), "it keeps all: arithmetic"


def test_a_story_gets_the_pictures_of_other_stories_in_the_place_of_its_own():
    table = sequence_rows(3, 4) + sequence_rows(2, 3, "b")
    plans = controls(plan_subjects(metric("adherence.step_order"), table), "exchanged_picture")
    assert len(plans) == 3 * 2 + 2
    for plan in plans:
        of_story = {table[i]["sequence_id"] for i in plan.rows}
        shown = {row["sequence_id"] for row in table if ImageKey("file", row["file_name"]) in plan.images}
        assert len(plan.images) == len(plan.rows)
        assert len(shown) == len(of_story) == 1
        assert shown != of_story
        assert {key.name[0] for key in plan.images} == {table[plan.rows[0]]["system"]}


def test_a_question_is_asked_about_one_other_picture_of_each_prompt():
    table = rows(objects=[{"name": "cup", "count": 1}])
    plans = controls(plan_subjects(metric("structure.objects"), table), "exchanged_picture")
    assert len(plans) == 4
    assert {table[plan.rows[0]]["prompt"] for plan in plans} == {row["prompt"] for row in table}
    assert all(plan.images != (ImageKey("file", table[plan.rows[0]]["file_name"]),) for plan in plans)
    assert {plan.question for plan in plans} == {own(plan_subjects(metric("structure.objects"), table))[0].question}


def test_repeats_of_one_prompt_in_two_suites_stay_apart():
    table = [row | {"suite": suite, "file_name": f"{suite}{row['file_name']}"} for suite in "st" for row in seeded()]
    for plan in plan_subjects(metric("reproducibility.ssim"), table):
        assert len({table[i]["suite"] for i in plan.rows}) == 1


def seeded(seeds=(1, 2), repeats=3):
    return [
        row | {"seed": seed, "repeat": repeat, "file_name": f"{seed}-{repeat}-{row['file_name']}"}
        for row in rows(prompts=2)
        for seed in seeds
        for repeat in range(repeats)
    ]


def test_repeats_are_all_pairs_within_a_seed_and_different_seeds_pair_equal_repeats():
    table = seeded()
    plans = list(plan_subjects(metric("reproducibility.ssim"), table))
    assert len(own(plans)) == 4 * 2 * 3
    assert all(table[a]["seed"] == table[b]["seed"] for a, b in (plan.rows for plan in own(plans)))
    across = controls(plans, "different_seed")
    assert len(across) == 4 * 3
    assert all(table[a]["seed"] != table[b]["seed"] for a, b in (plan.rows for plan in across))
    assert all(table[a]["system"] == table[b]["system"] for a, b in (plan.rows for plan in across))
    assert all(a == b for a, b in (plan.rows for plan in controls(plans, "identical_image")))


@pytest.mark.parametrize(
    ("name", "table", "control"),
    [
        ("adherence.clip", rows(prompts=1), "shuffled_prompt"),
        ("reproducibility.ssim", seeded(repeats=1), "identical_image"),
    ],
)
def test_what_has_nothing_to_be_exchanged_with_or_was_not_repeated_gets_no_control(name, table, control):
    assert not controls(plan_subjects(metric(name), table), control)


def test_every_pair_of_faces_is_planned_up_to_a_seeded_sample(monkeypatch):
    common = {"system": "a", "suite": "s", "prompt": "p", "prompt_id": "p"}
    table = [common | {"file_name": f"{n}.png"} for n in range(60)]
    few = list(plan_subjects(metric("identity.pairs"), table[:6], with_feature=[0, 2, 3]))
    assert [plan.rows for plan in few] == [(1,), (4,), (5,), (0, 2), (0, 3), (2, 3)]
    monkeypatch.setattr(subjects, "MAX_IMAGES_PAIRED", 50)
    many = [plan.rows for plan in plan_subjects(metric("identity.pairs"), table, with_feature=range(60))]
    assert len(many) == len(set(many)) == 50 * 49 // 2
    assert many == [plan.rows for plan in plan_subjects(metric("identity.pairs"), table, with_feature=range(60))]


def test_unknown_sequence_is_neither_the_same_nor_another():
    table = [row | ({"sequence_id": "x"} if n else {}) for n, row in enumerate(rows(systems=("a",), prompts=3))]
    plans = list(plan_subjects(metric("identity.pairs"), table, with_feature=[0, 1, 2]))
    assert [plan.details["same_sequence"] for plan in plans] == [None, None, True]


def full_table(spec):
    """Return rows that have all that a metric asks for, every sequence of them in several seeds and repeats."""
    things = [{"name": "cup", "count": 1, "position": "left"}, {"name": "plate", "count": 1}]
    relations = [{"first": "cup", "relation": "left of", "second": "plate"}]
    more = {"objects": things, "relations": relations, "palette": ["#aa0000"]}
    more |= dict.fromkeys(spec.excludes)
    table = []
    for number, row in enumerate(seeded()):
        sequence = {"sequence_id": f"q{row['seed']}", "shot": number}
        if spec.subject == "repeats":
            sequence = {"sequence_id": None, "shot": 0}
        text = f"A{row['seed']}"
        files = {"reference_images": [f"{row['seed']}.png"], "mask": f"mask{row['seed']}.png"}
        table.append(row | sequence | files | {"expected_text": text} | more)
    return table


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_every_metric_plans_its_subjects_and_its_controls_whatever_the_order_of_the_rows(spec):
    def planned(table):
        def named(plan):
            texts = None if plan.described_by is None else table[plan.described_by]["expected_text"]
            return repr(([table[i]["file_name"] for i in plan.rows], texts, replace(plan, rows=(), described_by=None)))

        return sorted(map(named, plan_subjects(spec, table, with_feature=range(len(table)))))

    table = full_table(spec)
    plans = list(plan_subjects(spec, table, with_feature=range(len(table))))
    assert own(plans)
    assert {plan.control for plan in plans} - {None} == set(spec.controls)
    assert planned(random.Random(0).sample(table, len(table))) == planned(table)
