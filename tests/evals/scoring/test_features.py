"""The feature cache: what goes in comes out, and a killed writer loses at most the line it was writing."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.features import FeatureCache, FeatureStore, decode_value, encode_value

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@given(VALUES)
def test_plain_values_come_back_as_they_went_in(value):
    assert decode_value(json.loads(json.dumps(encode_value(value)))) == value


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_arrays_come_back_bit_for_bit(tmp_path, dtype):
    array = np.random.default_rng(0).normal(size=(3, 5)).astype(dtype)
    store = FeatureStore(tmp_path)
    store.put("key", {"faces": [{"embedding": array}]})
    store.close()
    again = FeatureStore(tmp_path).get("key")["faces"][0]["embedding"]
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)


def test_same_run_and_later_run_read_the_same_form(tmp_path):
    store = FeatureStore(tmp_path)
    store.put("key", (1, 2))
    assert store.get("key") == [1, 2]
    store.close()
    assert FeatureStore(tmp_path).get("key") == [1, 2]


def test_torn_last_line_is_passed_over(tmp_path):
    store = FeatureStore(tmp_path)
    for n in range(3):
        store.put(f"key{n}", n)
    store.close()
    (shard,) = tmp_path.glob("*.shard")
    shard.write_bytes(shard.read_bytes()[:-1])
    again = FeatureStore(tmp_path)
    assert "key1" in again
    assert "key2" not in again


def test_a_shard_that_is_no_file_is_passed_over_and_the_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "features").symlink_to("disk")
    for name, make in {"link": lambda path: path.symlink_to("nothing"), "folder": os.mkdir, "pipe": os.mkfifo}.items():
        make(tmp_path / "disk" / f"{name}.shard")
    store = FeatureStore(tmp_path / "features")
    store.put("a", 1)
    store.close()
    assert FeatureStore(tmp_path / "disk").get("a") == 1


def test_other_weights_version_or_encoder_never_share_a_store(tmp_path):
    cache = FeatureCache(tmp_path)
    keys = [("e", "w", "1"), ("e", "w", "2"), ("e", "v", "1"), ("f", "w", "1"), ("e", None, "1")]
    folders = {cache.store("feature", *key).folder for key in keys}
    assert len(folders) == len(keys)


def test_two_writers_share_a_folder(tmp_path):
    first, second = FeatureStore(tmp_path), FeatureStore(tmp_path)
    first.put("a", 1)
    second.put("b", 2)
    first.close()
    second.close()
    both = FeatureStore(tmp_path)
    assert (both.get("a"), both.get("b")) == (1, 2)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is not there")
def test_killed_writer_leaves_whole_lines(tmp_path):
    code = (
        "import sys; from pathlib import Path; from evals.scoring.features import FeatureStore\n"
        "store = FeatureStore(Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    store.put(f'key{n}', ['x' * 2000, n]); n += 1\n"
        "    if n % 7 == 0: store.flush()\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not any(shard.stat().st_size > 100_000 for shard in tmp_path.glob("*.shard")):
        time.sleep(0.02)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store = FeatureStore(tmp_path)
    found = [n for n in range(100_000) if f"key{n}" in store]
    assert found == list(range(len(found)))
    assert all(store.get(f"key{n}")[1] == n for n in found)
