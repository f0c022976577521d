"""Large pictures wait on disk for their turn to be decoded, small ones and those without room in memory."""

import pytest

from evals.generation import spooling
from evals.generation.answers import Finished
from evals.generation.hosts.http_host import complete
from evals.generation.pictures import Pictures
from evals.generation.spooling import Spooled, spooled
from tests.evals.generation import conftest as scripted


def test_what_is_large_is_kept_in_a_file_and_read_back(monkeypatch):
    monkeypatch.setattr(spooling, "SPOOLED_BYTES", 4)
    content = spooled(b"large")
    assert isinstance(content, Spooled)
    assert (len(content), bytes(content), bytes(content)) == (5, b"large", b"large")
    assert spooled(b"few") == b"few"


def test_a_paid_picture_is_not_lost_to_a_full_temporary_folder(monkeypatch):
    monkeypatch.setattr(spooling, "SPOOLED_BYTES", 4)

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spooling.tempfile, "TemporaryFile", full)
    assert spooled(b"large") == b"large"


@pytest.mark.parametrize("limit", [1, 1 << 20])
def test_an_answer_s_picture_is_stored_as_it_came(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(spooling, "SPOOLED_BYTES", limit)
    png = scripted.png("red")
    waiting = complete(Finished(content=png)).content
    assert isinstance(waiting, Spooled) is (limit == 1)
    picture = Pictures(tmp_path, {}).store("s", waiting)
    assert (tmp_path / picture.file_name).read_bytes() == png
