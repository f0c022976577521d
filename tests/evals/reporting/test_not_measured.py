"""What a run did not measure: each metric has a value, or a reason and the encoder that is lacking."""

from evals.reporting.not_measured import NOT_ASKED, not_measured
from metrics.catalogue import METRICS


def a_row(metric, mean=None, **reasons):
    return {"metric": metric, "mean": mean, "reasons": reasons}


def a_record(role, name, note):
    return {"role": role, "name": name, "note": note, "status": "unavailable"}


def explained(metric, *rows, records=()):
    found = {each.metric: each for each in not_measured({"rows": list(rows)}, records)}
    return found.get(metric)


def test_a_metric_with_a_value_in_one_suite_is_measured():
    rows = [a_row("text.cer", language_unsupported=4), a_row("text.cer", 0.1)]
    assert explained("text.cer", *rows) is None
    assert explained("text.cer", rows[0]).reason == "language_unsupported"


def test_every_metric_is_there_in_the_order_of_the_catalogue():
    assert [each.metric for each in not_measured({"rows": []}, [])] == [spec.id for spec in METRICS]


def test_a_metric_whose_weights_are_lacking_names_them_and_what_to_do():
    records = [a_record("vqa", "vqa:v", "fetch v"), a_record("detector", "owlv2:o", "fetch o")]
    found = explained("structure.counts", a_row("structure.counts", encoder_unavailable=9), records=records)
    assert (found.reason, found.encoder, found.why) == ("encoder_unavailable", "owlv2:o", "fetch o")


def test_an_unfit_encoder_is_not_named_as_its_own_remedy():
    found = explained("quality.realism", a_row("quality.realism", encoder_unfit=9))
    assert found.why == "the encoder at hand was seen to fail the control of this metric"
    assert found.encoder.startswith("open_clip:")


def test_the_most_frequent_reason_is_told():
    found = explained(
        "identity.self", a_row("identity.self", no_face=2, encoder_failed=1), a_row("identity.self", encoder_failed=3)
    )
    assert (found.reason, found.encoder) == ("encoder_failed", None)


def test_what_nobody_asked_for_says_so():
    assert explained("identity.faces").reason == NOT_ASKED
    assert explained("identity.faces").why == "this run was not asked for it"
    assert explained("identity.pairs").why == "it is measured only when asked for by name"
