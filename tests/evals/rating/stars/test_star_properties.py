"""What never happens to stars and totals, whatever was measured: being worse or refusing never pays.

A component that is lowered is an own row of the score table. Floors and ceilings that are measured come from control
rows and stay as they were frozen: a scale is set before anybody is placed on it. Whether the controls allow any stars
is frozen with it (here they do), but for the test that computes them anew.
"""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.rating.statistics import intervals
from tests.evals.rating.stars.small_evals import METRICS, SYSTEMS, chance, controls_of, rated, rows_of, small_eval

TOLERANCE = 1e-9

salts = st.integers(0, 2**31)
on_every_suite = pytest.mark.parametrize("suite", sorted(METRICS))


def examples(number):
    return settings(max_examples=number, derandomize=True)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Draw few resamples: no star depends on them, and intervals are compared with themselves."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(intervals, "MAX_RESAMPLES", 200)
        patched.setattr(intervals, "MIN_RESAMPLES", 200)
        intervals._draws.cache_clear()
        yield
    intervals._draws.cache_clear()


def drawn(salt, suite, **more):
    """Return an eval of one suite with its score table and its rows."""
    tried = small_eval(salt, [suite], **more)
    return tried, tried.scores(), rows_of(suite)


def pictures_of(tried, system="left"):
    return [row["sample_id"] for row in tried.requests if row["system"] == system and row["outcome"] == "ok"]


def assert_nowhere_raised(before, after, system="left"):
    earlier, later = before.stars(system), after.stars(system)
    for row, stars in earlier.items():
        if stars is None:
            assert later[row] is None or row == "total", f"{row} has stars that it had not"
        else:
            assert later[row] is not None, f"{row} lost its stars"
            assert later[row] <= stars + TOLERANCE, f"{row} rose from {stars} to {later[row]}"


def own_rows(scores, system="left"):
    mine = scores["control"].isna() & (scores["system"] == system) & scores["value"].notna()
    return scores.index[mine].tolist()


def lowered(scores, places, by):
    """Return the table with own values moved towards the worse end."""
    worse = scores.copy()
    sign = worse["metric"].eq("text.cer").map({True: 1.0, False: -1.0})
    worse.loc[places, "value"] += sign[places] * by
    return worse


@on_every_suite
@examples(2)
@given(salts, st.data())
def test_lowering_any_component_raises_no_row_and_no_total(suite, salt, data):
    tried, scores, rows = drawn(salt, suite)
    places = data.draw(st.lists(st.sampled_from(own_rows(scores)), min_size=1, max_size=4, unique=True))
    worse = lowered(scores, places, data.draw(st.floats(0.001, 10)))
    before, after = (rated(table, tried.requests, rows=rows) for table in (scores, worse))
    assert_nowhere_raised(before, after)
    assert after.stars("right") == pytest.approx(before.stars("right"))


@on_every_suite
@examples(2)
@given(salts, st.floats(0.2, 1))
def test_a_system_too_bad_for_the_control_to_tell_gains_nothing_in_the_total(suite, salt, share):
    """The controls are computed anew: where one now fails, the row has no stars, and counts at the floor."""
    tried, scores, rows = drawn(salt, suite)
    tables = [scores]
    for system in reversed(SYSTEMS):
        places = [place for place in own_rows(tables[-1], system) if chance(salt, "lowered", place) < share]
        tables.append(lowered(tables[-1], places, 10.0))
    before, after = (rated(table, tried.requests, controls_of(table), rows=rows) for table in tables[1:])
    earlier, later = before.stars("left")["total"], after.stars("left")["total"]
    # Where nobody can be told from any control, there is no total, and being worse brings none.
    assert later is None if earlier is None else later is None or later <= earlier + TOLERANCE


@on_every_suite
@examples(2)
@given(salts, st.booleans(), st.data())
def test_a_refusal_in_place_of_a_picture_raises_no_row_and_no_total(suite, salt, sends_first_shot, data):
    tried, scores, rows = drawn(salt, suite, sends_first_shot=sends_first_shot)
    came = pictures_of(tried)
    gone = data.draw(st.lists(st.sampled_from(came), min_size=1, max_size=len(came), unique=True))
    without = tried.withhold(gone, sends_first_shot)
    # Pairs that the remaining pictures make are scored anew; the scale stays as it was frozen.
    anew = without.scores()
    anew = pd.concat([anew[anew["control"].isna()], scores[scores["control"].notna()]], ignore_index=True)
    assert_nowhere_raised(rated(scores, tried.requests, rows=rows), rated(anew, without.requests, rows=rows))


@on_every_suite
def test_a_system_that_refuses_everything_is_at_the_floor_of_every_row(suite):
    tried, scores, rows = drawn(7, suite)
    of_left = [row["sample_id"] for row in tried.requests if row["system"] == "left"]
    without = tried.withhold(of_left, sends_first_shot=False)
    assert set(rated(without.scores(), without.requests, rows=rows).stars("left").values()) == {1.0}
    everyone = tried.withhold([row["sample_id"] for row in tried.requests], sends_first_shot=False)
    nothing = rated(scores.iloc[:0], everyone.requests, rows=rows)
    for system in SYSTEMS:
        assert set(nothing.stars(system).values()) == {1.0}
    assert all(one.row["problem"] is None for one in nothing.rows.values())


@examples(3)
@given(salts, st.data())
def test_a_dearer_or_slower_picture_raises_nothing(salt, data):
    tried, scores, rows = drawn(salt, data.draw(st.sampled_from(["precise", "repeats"])))
    chosen, factor = data.draw(st.sampled_from(pictures_of(tried))), data.draw(st.floats(1, 1e3))
    column = data.draw(st.sampled_from(["cost_usd", "latency_s"]))
    worse = [row | ({column: row[column] * factor} if row["sample_id"] == chosen else {}) for row in tried.requests]
    before, after = (rated(scores, requests, rows=rows) for requests in (tried.requests, worse))
    assert_nowhere_raised(before, after)


def everything(found):
    """Return all numbers of stars, intervals, differences and totals, by row and system, without names of prompts."""
    rows = {
        name: (
            [(cell["system"], *numbers(cell)) for cell in one.row["cells"]],
            [(row["system_a"], row["system_b"], *numbers(row)) for row in one.row["differences"]],
        )
        for name, one in found.rows.items()
    }
    total = [(row["system"], *numbers(row)) for row in found.totals["systems"]]
    return rows, total, [(row["system_a"], *numbers(row)) for row in found.totals["differences"]]


def numbers(row):
    return [round(value, 9) for value in row.values() if isinstance(value, float)]


def shuffled(table, salt):
    return table.iloc[sorted(range(len(table)), key=lambda place: chance(salt, place))].reset_index(drop=True)


def renamed_prompts(table, rename):
    columns = {name: table[name].map(rename, na_action="ignore") for name in ("prompt_id", "sequence_id")}
    return table.assign(**columns)


@on_every_suite
@examples(1)
@given(salts, st.sampled_from([("zeta@x", "alpha@y"), ("alpha@y", "zeta@x"), ("a@simulated-b", "b")]))
def test_the_order_of_rows_and_the_names_of_systems_and_prompts_do_not_matter(suite, salt, names):
    tried, scores, rows = drawn(salt, suite)
    requests = pd.DataFrame(tried.requests)
    first = rated(scores, requests, controls_of(scores), rows=rows)

    mixed = shuffled(scores, salt)
    second = rated(mixed, shuffled(requests, salt + 1), controls_of(mixed), rows=rows)
    assert everything(second) == everything(first)

    new = dict(zip(SYSTEMS, names, strict=True))
    renamed = [table.assign(system=table["system"].map(new)) for table in (scores, requests)]
    numbers_then = repr(everything(rated(*renamed, controls_of(renamed[0]), names, rows)))
    for old, name in new.items():
        numbers_then = numbers_then.replace(repr(name), repr(old))
    assert numbers_then == repr(everything(first))

    # The names of prompts decide the order in which they are resampled, so only stars are the same.
    renamed = [renamed_prompts(table, lambda name: f"{chance(salt, name):.6f}") for table in (scores, requests)]
    first, second = rated(scores, requests, rows=rows), rated(*renamed, rows=rows)
    for system in SYSTEMS:
        assert second.stars(system) == pytest.approx(first.stars(system))


def width(row):
    return None if row["low"] is None else row["high"] - row["low"]


@on_every_suite
@examples(2)
@given(salts, st.booleans())
def test_prompts_and_sequences_that_are_asked_twice_change_nothing(suite, salt, all_of_them):
    tried, scores, rows = drawn(salt, suite)
    requests = pd.DataFrame(tried.requests)
    unit = {id(table): table["sequence_id"].fillna(table["prompt_id"]) for table in (scores, requests)}

    def twice(table):
        again = table[[all_of_them or chance(salt, name) < 0.5 for name in unit[id(table)]]]
        again = renamed_prompts(again, lambda name: f"{name}-again")
        names = {name: again[name] + "-again" for name in ("sample_id", "file_name") if name in again}
        if "subject" in again:
            names["subject"] = [[f"{sample}-again" for sample in subject] for subject in again["subject"]]
        return pd.concat([table, again.assign(**names)], ignore_index=True)

    doubled = [twice(scores), twice(requests)]
    asked = doubled[1]
    once = rated(scores, requests, rows=rows)
    joined = [merge_duplicate_prompts(table, asked[asked["outcome"] == "ok"], asked) for table in doubled]
    found = rated(*joined, rows=rows)
    for system in SYSTEMS:
        assert found.stars(system) == pytest.approx(once.stars(system))
    compared = [(once.totals["differences"], found.totals["differences"])]
    for name in once.rows:
        compared += [(once.rows[name].row[part], found.rows[name].row[part]) for part in ("cells", "differences")]
    for first, second in (pair for tables in compared for pair in zip(*tables, strict=True)):
        assert second.get("n_prompts") == first.get("n_prompts")
        assert width(second) == pytest.approx(width(first), abs=1e-6)
