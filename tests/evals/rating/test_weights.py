"""Own weights: read from a mapping or a file, refused in one sentence, and used by the total alone."""

import numpy as np
import pandas as pd
import pytest

from evals.rating.weights import WeightsError, read_weights

ROWS = ["cost", "precise", "text"]


@pytest.mark.parametrize(
    ("name", "text"), [("w.yaml", "# mine\ncost: 2\nprecise: 0.5\n"), ("w.json", '{"cost": 2, "precise": 0.5}')]
)
def test_a_file_and_a_mapping_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    weights = {"cost": 2.0, "precise": 0.5}
    assert read_weights(tmp_path / name, ROWS) == read_weights(str(tmp_path / name), ROWS) == weights
    assert read_weights(weights, ROWS) == read_weights({"cost": np.int64(2), "precise": np.float32(0.5)}, ROWS)
    assert read_weights({"cost": 0, "text": 1}, ROWS) == {"cost": 0.0, "text": 1.0}


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ({"cots": 1}, "row 'cots': there is no row of the star table 'cots'; did you mean 'cost'?"),
        ({"cost": 1, "text": -0.5}, "row 'text': -0.5 is too small; it is at least 0"),
        ({"cost": 0, "text": 0.0}, "no row has a weight above 0"),
        ({}, "no row has a weight above 0"),
        ({"cost": float("nan")}, "row 'cost': nan is not a finite number"),
        ({"cost": float("inf")}, "row 'cost': inf is not a finite number"),
        ({"cost": 10**400}, "row 'cost': inf is not a finite number"),
        ({"cost": 1e308, "text": 1e308}, "row 'cost': 1e+308 is too large; it is at most 1e+06"),
        ({"cost": True}, "row 'cost': True is not a number"),
        ({"cost": "much"}, "row 'cost': 'much' is not a number"),
        ({"cost": None}, "row 'cost': None is not a number"),
    ],
)
def test_a_weight_that_cannot_be_is_one_sentence(weights, problem):
    with pytest.raises(WeightsError) as refused:
        read_weights(weights, ROWS)
    assert str(refused.value).startswith("weights")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cost: 1\ncots: 1\n", "w.yaml, line 2, field 'cots': there is no row of the star table 'cots'; did you mean"),
        ("cost: 1\ntext: -1\n", "w.yaml, line 2, field 'text': -1 is too small"),
        ("cost: 2000000\n", "w.yaml, line 1, field 'cost': 2000000 is too large"),
        (f"cost: {10**320}\n", "w.yaml, line 1, field 'cost': "),
        ("cost: .nan\n", "w.yaml, line 1, field 'cost': nan is not a finite number"),
        ("cost: 1\ncost: 2\n", "w.yaml, line 2, field 'cost': it was given before, in line 1"),
        ("cost: 0\n", "w.yaml, line 1: no row has a weight above 0"),
        ("- cost\n", "w.yaml, line 1: the file holds no fields"),
    ],
)
def test_a_file_is_refused_with_its_line(tmp_path, text, problem):
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(WeightsError) as refused:
        read_weights(path, ROWS)
    assert str(refused.value).startswith(problem)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match="there is no such file"):
        read_weights(tmp_path / "none.yaml", ROWS)


def test_a_column_of_a_table_is_a_mapping_too():
    assert read_weights(dict(pd.Series({"cost": 1})), ROWS) == {"cost": 1.0}
