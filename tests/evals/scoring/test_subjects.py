"""Which subjects are planned, and that each control re-arranges exactly what its name says."""

import random
from dataclasses import replace

import pytest

from evals.scoring import subjects
from evals.scoring.subjects import ImageKey, plan_subjects
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


def test_another_seed_of_a_sequence_is_a_sequence_of_its_own():
    table = [
        row | {"seed": seed, "file_name": f"{seed}{row['file_name']}"} for seed in (1, 2) for row in sequence_rows(1, 2)
    ]
    assert len(own(plan_subjects(metric("identity.self"), table))) == 2


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
    assert rendered == [(ImageKey("rendering", text),) for text in ("OPEN", "OPEN\n24 HOURS")]


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
    more = {"expected_text": "A", "objects": things, "relations": relations, "palette": ["#aa0000"]}
    more |= dict.fromkeys(spec.excludes)
    table = []
    for number, row in enumerate(seeded()):
        sequence = {"sequence_id": f"q{row['seed']}", "shot": number}
        if spec.subject == "repeats":
            sequence = {"sequence_id": None, "shot": 0}
        table.append(row | sequence | {"reference_images": [f"{row['seed']}.png"]} | more)
    return table


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_every_metric_plans_its_subjects_and_its_controls_whatever_the_order_of_the_rows(spec):
    def planned(table):
        plans = plan_subjects(spec, table, with_feature=range(len(table)))
        return sorted(repr(([table[i]["file_name"] for i in plan.rows], replace(plan, rows=()))) for plan in plans)

    table = full_table(spec)
    plans = list(plan_subjects(spec, table, with_feature=range(len(table))))
    assert own(plans)
    assert {plan.control for plan in plans} - {None} == set(spec.controls)
    assert planned(random.Random(0).sample(table, len(table))) == planned(table)
