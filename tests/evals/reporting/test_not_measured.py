"""What a run did not measure: each metric has a value, or a reason and the encoder that is lacking."""

from evals.reporting.not_measured import NOT_ASKED, not_measured
from metrics.catalogue import METRICS


def row(metric, mean=None, **reasons):
    return {"metric": metric, "mean": mean, "reasons": reasons}


def explained(metric, *rows, **notes):
    """Return what is said of a metric; ``notes`` are those of encoders that are lacking, by role."""
    encoders = [
        {"role": role, "name": f"{role}:x", "note": note, "status": "unavailable"} for role, note in notes.items()
    ]
    return {each.metric: each for each in not_measured({"rows": list(rows)}, encoders)}.get(metric)


def test_a_metric_with_a_value_in_one_suite_is_measured():
    rows = [row("text.cer", language_unsupported=4), row("text.cer", 0.1)]
    assert explained("text.cer", *rows) is None
    assert explained("text.cer", rows[0]).reason == "language_unsupported"


def test_every_metric_is_there_in_the_order_of_the_catalogue():
    assert [each.metric for each in not_measured({"rows": []}, [])] == [spec.id for spec in METRICS]


def test_a_metric_whose_weights_are_lacking_names_them_and_what_to_do():
    lacking = explained("structure.counts", row("structure.counts", encoder_unavailable=9), vqa="buy", detector="fetch")
    assert (lacking.reason, lacking.encoder, lacking.why) == ("encoder_unavailable", "detector:x", "fetch")


def test_an_unfit_encoder_is_not_named_as_its_own_remedy():
    unfit = explained("quality.realism", row("quality.realism", encoder_unfit=9))
    assert unfit.why == "the encoder at hand was seen to fail the control of this metric"
    assert unfit.encoder.startswith("open_clip:")


def test_the_most_frequent_reason_is_told_and_what_nobody_asked_for_says_so():
    rows = row("identity.self", no_face=2, encoder_failed=1), row("identity.self", encoder_failed=3)
    failed, unasked = explained("identity.self", *rows), explained("identity.faces")
    assert (failed.reason, failed.encoder) == ("encoder_failed", None)
    assert (unasked.reason, unasked.why) == (NOT_ASKED, "this run was not asked for it")
    assert explained("identity.pairs").why == "it is measured only when asked for by name"
