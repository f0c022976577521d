import base64

import pytest

from evals.generation.answers import MalformedResponse, ResponseMetadata
from evals.generation.hosts.fields import as_data_uri, finished, from_base64, seconds_between


def test_a_data_uri_comes_back_as_the_same_bytes():
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    assert finished([as_data_uri(content)], ResponseMetadata()).content == content


@pytest.mark.parametrize("n", range(5))
def test_base64_is_read_with_line_breaks_without_padding_and_in_both_alphabets(n):
    content = b"\x89PNG\xfb\xef\xff" * 20 + bytes(n)
    mime = base64.encodebytes(content).decode()
    plain = base64.b64encode(content).decode()
    for text in (plain, mime, mime.replace("\n", "\r\n  "), plain.rstrip("="), plain.translate({43: "-", 47: "_"})):
        assert from_base64(text) == content
        for place in (text, f"data:image/png;base64,{text}"):
            assert finished([place], ResponseMetadata()).content == content


@pytest.mark.parametrize("place", ["", "not there", "ftp://example.org/x.png", "data:image/png,raw", "data:;base64,"])
def test_what_is_neither_address_nor_picture_is_malformed(place):
    with pytest.raises(MalformedResponse):
        finished([place], ResponseMetadata())


@pytest.mark.parametrize(
    "ends", [(None, "2026-11-22T10:00:00Z"), ("soon", "later"), ("2026-11-22T10:00:01Z", "2026-11-22T10:00:00Z")]
)
def test_times_that_make_no_sense_are_none(ends):
    assert seconds_between(*ends) is None
