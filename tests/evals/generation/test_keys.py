import json
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evals.facts.models import HostFacts
from evals.generation.keys import REMOVED, SECRET_PARAMETERS, UnusableKey, find_key, redact

FACTS = HostFacts(
    id="google",
    title="Google",
    base_url="https://g.example",
    key_variables=("FIRST_KEY", "SECOND_KEY"),
    concurrency=1,
    sources=("twinlens",),
)
SIGNED = (
    "https://bfldeliveryprodeu4.blob.core.windows.net/results/2025/11/27/x_sample.jpeg"
    "?se=2025-11-27T14%3A41%3A06Z&sp=r&sv=2024-11-04&sr=b&rsct=image/jpeg&sig=c2lnbmF0dXJl%3D"
)
PLAIN = "https://api.eu2.bfl.ai/v1/get_result?id=38b4e501-344b-4d19-9ffa-a566b7f36b1c"

token_like = st.text(string.ascii_letters + string.digits + "-_.:+/=", min_size=6, max_size=40)
any_key = st.text([chr(code) for code in range(32, 127)], min_size=6, max_size=20)
words = st.text(st.characters(codec="utf-8"), max_size=30)


def test_the_first_variable_that_is_set_is_the_key_in_the_environment_if_nothing_else_is_given(monkeypatch):
    assert find_key(FACTS, {"FIRST_KEY": "one-key", "SECOND_KEY": "other"}) == "one-key"
    assert find_key(FACTS, {"FIRST_KEY": " \n", "SECOND_KEY": "\tother-key\n"}) == "other-key"
    assert find_key(FACTS, {}) is None
    monkeypatch.setenv("SECOND_KEY", "from-outside")
    monkeypatch.delenv("FIRST_KEY", raising=False)
    assert find_key(FACTS) == "from-outside"


@pytest.mark.parametrize("key", ["two\nlines", "nul\0byte", "schlüssel", "sk-…", "tab\there", "del\x7f"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key):
    with pytest.raises(UnusableKey, match=r"^FIRST_KEY holds") as raised:
        find_key(FACTS, {"FIRST_KEY": key, "SECOND_KEY": "good-key"})
    assert key not in str(raised.value)
    assert str(raised.value).count("\n") == 0


@pytest.mark.parametrize(
    "spelled",
    [
        quote("sk+a/b=c d"),
        quote(quote("sk+a/b=c d", safe=""), safe=""),
        "sk%2ba%2fb%3dc%20d",
        "sk+a\\/b=c d",
        "sk\\u002ba\\u002Fb\\u003dc d",
    ],
)
def test_a_key_is_removed_in_every_spelling(spelled):
    assert redact(f"<{spelled}>", ["sk+a/b=c d"]) == f"<{REMOVED}>"


def test_the_longest_key_is_removed_first_and_what_is_too_short_for_one_spoils_no_text():
    assert redact("abcdefgh abcdef", ["abcdef", "abcdefgh"]) == f"{REMOVED} {REMOVED}"
    assert redact("a demo line", ["", "a", "demo"]) == "a demo line"


@given(any_key, words, words)
def test_no_key_is_left_in_text_addresses_or_json(key, before, after):
    assume(key not in before + after)
    for written in (key, quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1]):
        assert written not in redact(f"{before}{written}{after}", [key])


@given(token_like, words, words)
def test_json_stays_json_and_tells_no_key(key, before, after):
    value = {"error": f"{before}{key}{after}", key: [before, {"url": f"https://a.example/?x={key}"}]}
    for as_ascii in (True, False):
        redacted = json.loads(redact(json.dumps(value, ensure_ascii=as_ascii), [key]))
        assert key not in json.dumps(redacted, ensure_ascii=False)
        assert REMOVED in redacted["error"]


@pytest.mark.parametrize("name", [*SECRET_PARAMETERS, "X-Amz-Signature", "X-Goog-Credential", "Signature"])
def test_the_query_of_a_signed_address_is_removed_whole(name):
    assert redact(f"GET https://a.example/x.png?a=1&{name}=s3cret&b=2 failed", []) == (
        f"GET https://a.example/x.png?{REMOVED} failed"
    )


def test_a_query_that_gives_no_access_is_kept():
    for text in (PLAIN, "https://a.example/?design=1&monkey=2&tokens=5", "why? sig=nal & noise", "a key=1, R&D"):
        assert redact(text, ["irrelevant"]) == text


@pytest.mark.parametrize(
    "spelled",
    [
        SIGNED,
        json.dumps(SIGNED),
        json.dumps(json.dumps({"url": SIGNED})),
        SIGNED.replace("/", "\\/"),
        SIGNED.replace("&", "\\u0026").replace("=", "\\u003d"),
        json.dumps(SIGNED.replace("&", "\\u0026")),
        SIGNED.replace("?", "\\u003F"),
        SIGNED.replace("&", "&amp;"),
        quote(SIGNED, safe=""),
        quote(quote(SIGNED, safe=""), safe=""),
        f"https://proxy.example/?to={quote(SIGNED, safe='')}",
        SIGNED.replace("sig=", "%73ig="),
        SIGNED.partition("?")[2],
        f"see {SIGNED}#part, please",
    ],
)
def test_a_signature_is_removed_in_every_spelling(spelled):
    redacted = redact(spelled, [])
    assert "c2lnbmF0dXJl" not in redacted
    assert REMOVED in redacted


def test_what_stands_around_an_address_is_kept():
    line = json.dumps({"before": 1, "url": SIGNED, "after": [SIGNED, PLAIN]})
    address = SIGNED.partition("?")[0]
    assert json.loads(redact(line, [])) == {
        "before": 1,
        "url": f"{address}?{REMOVED}",
        "after": [f"{address}?{REMOVED}", PLAIN],
    }


pieces = st.lists(
    st.sampled_from([SIGNED, PLAIN, "?", "&", "sig=", "token=x", "%3F", "\\u003f", "\\u0026", "\\", '"', "#", "•", " "])
    | words,
    max_size=8,
).map("".join)


@given(pieces, st.lists(any_key, max_size=3))
def test_scrubbing_twice_changes_nothing(text, keys):
    once = redact(text, keys)
    assert redact(once, keys) == once


@given(st.recursive(pieces, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(pieces, inner, max_size=3)))
def test_json_with_addresses_stays_json(value):
    for as_ascii in (True, False):
        json.loads(redact(json.dumps(value, ensure_ascii=as_ascii), []))
