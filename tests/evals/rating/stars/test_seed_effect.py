"""A system whose seed does nothing repeats nothing by it, however alike its pictures are."""

import numpy as np
import pytest

from evals.definition import StarRow
from evals.rating.stars.seed_effect import NO_EFFECT, systems_without_seed_effect
from tests.evals.rating.stars.small_evals import controls_of, rated

SSIM = "reproducibility.ssim"
ROW = StarRow(id="repeats", title="Seeds", suite="s", metrics={SSIM: 1.0})
BOTH = StarRow(id="both", title="Both", suite="s", metrics={SSIM: 1.0, "reproducibility.mean_difference": 1.0})

SYSTEMS = {"exact": (1.0, 0.2), "near": (0.8, 0.25), "grey": (1.0, 1.0), "flat": (0.99, 0.99), "random": (0.2, 0.2)}
"""How alike pictures of one seed and of two seeds are."""


def repeated(names, n_prompts=12):
    random, rows = np.random.default_rng(2), []
    for name, metric_id, prompt in ((a, b, c) for a in names for b in BOTH.metrics for c in range(n_prompts)):
        for control, alike in zip((None, "different_seed", "identical_image"), (*SYSTEMS[name], 1.0), strict=True):
            noise = 0.0 if alike == 1.0 else 0.005 * random.standard_normal()
            value = alike + noise if metric_id == SSIM else 100 * (1 - alike - noise)
            rows.append({"metric": metric_id, "system": name, "suite": "s", "prompt_id": f"p{prompt:02}",
                         "subject": ["a", "b"], "control": control, "value": value})  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def row_of_systems(score_table):
    def of(names, row=ROW):
        scores = score_table(repeated(names))
        one = rated(scores, [], controls_of(scores), names, [row]).rows[row.id].row
        return one, {cell["system"]: cell["stars"] for cell in one["cells"]}

    return of


@pytest.mark.parametrize("row", [ROW, BOTH], ids=lambda row: row.id)
def test_systems_whose_seed_does_nothing_have_one_star_and_move_nobody(row_of_systems, row):
    alone, of_two = row_of_systems(["exact", "near"], row)
    beside, of_all = row_of_systems(list(SYSTEMS), row)
    assert (of_two["exact"], beside["chance"]) == (pytest.approx(5.0), pytest.approx(alone["chance"]))
    assert of_all == pytest.approx({**of_two, "grey": 1.0, "flat": 1.0, "random": 1.0})
    cautions = {cell["system"]: cell["caution"] for cell in beside["cells"]}
    assert [cautions[name] == NO_EFFECT for name in SYSTEMS] == [False, False, True, True, True]
    assert not {one["better_system"] for one in beside["differences"]} & {"grey", "flat", "random"}


def test_where_no_seed_does_anything_there_is_nothing_to_scale(row_of_systems):
    row, _ = row_of_systems(["grey"])
    assert "there is nothing to scale" in row["problem"]


@pytest.mark.parametrize(("value", "low", "has_none"), [(0.83, 0.45, False), (0.55, 0.51, False), (0.55, 0.2, True)])
def test_few_prompts_that_prove_nothing_do_not_show_that_a_seed_does_nothing(value, low, has_none):
    control = {"control": "different_seed", "statistic": "auc", "system": "a", "suite": "s", "value": value, "low": low}
    assert systems_without_seed_effect([control], "s") == ({"a"} if has_none else set())
