"""What only claims to be a picture: nothing outside the allowed formats is opened, and decoding starts no program."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.generation.pictures import NotAPicture, Pictures
from evals.imageset.decoding import DecodedImage, UnreadableImage, check_header, decode_bytes
from evals.imageset.imageset import ImageSetError, write_image_set
from evals.reporting.thumbnails import read_thumbnail
from evals.scoring import decode_worker
from evals.scoring.decoders import Decoders, Unreadable
from tests.faults.hostile_files import HOSTILE, PROGRAMS


@pytest.fixture
def ghostscript(tmp_path, monkeypatch) -> Path:
    """Programs that image libraries are known to start, each of which leaves a mark where it ran."""
    mark, programs = tmp_path / "started", tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        program = programs / name
        program.write_text(f'#!/bin/sh\ntouch "{mark}"\nexec sleep 600\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    return mark


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_no_other_format_is_decoded_under_any_name(tmp_path, ghostscript, suffix):
    assert len(HOSTILE) >= 20, "most of Pillow's plugins are among them"
    paths = []
    for kind, content in HOSTILE.items():
        paths.append(tmp_path / f"{kind}.{suffix}")
        paths[-1].write_bytes(content)
    assert [path.name for path in paths if check_header(path) is None] == []
    with Decoders(workers=2) as decoders:
        decoded = list(decoders.decode(paths))
    assert {image.reason for image in decoded if isinstance(image, Unreadable)} == {"unreadable_image"}
    assert not [image for image in decoded if isinstance(image, DecodedImage)]
    assert not ghostscript.exists()


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_no_other_format_is_stored_shown_or_written(tmp_path, ghostscript, kind):
    content = HOSTILE[kind]
    with pytest.raises(UnreadableImage):
        decode_bytes(content)
    with pytest.raises(NotAPicture):
        Pictures(tmp_path / "set", {}).store("s1", content)
    with pytest.raises(ImageSetError, match="image"):
        write_image_set(tmp_path / "written", [(content, {"system": "a", "prompt": "p"})])
    (tmp_path / "shown.png").write_bytes(content)
    assert isinstance(read_thumbnail(tmp_path / "shown.png"), str)
    assert not ghostscript.exists()


def forging(tmp_path: Path, body: str, confined: bool = False, further: str = "") -> list[str]:
    """A worker whose library does what ``body`` says while it decodes."""
    script = tmp_path / "forging.py"
    script.write_text(
        "import os, subprocess, sys, time\n"
        "from evals.scoring import decode_worker\n"
        "real = decode_worker.decode_file\n"
        f"def decode_file(path):\n    {body}\n    return real(path)\n"
        "decode_worker.decode_file = decode_file\n"
        + ("" if confined else "decode_worker._confine = lambda: None\n")
        + f"{further}\ndecode_worker.main()\n"
    )
    return [sys.executable, str(script)]


def test_decoding_may_start_no_program_even_where_a_library_tries(tmp_path):
    """The worker is asked to decode with a library that starts programs: none starts, and it says so."""
    command = forging(tmp_path, "subprocess.run(['touch', str(path) + '.ran'])", confined=True)
    request = json.dumps({"number": 0, "kind": "file", "paths": [str(tmp_path / "a.png")]}) + "\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(decode_worker.__file__).parents[2])}
    answer = subprocess.run(command, input=request, capture_output=True, text=True, check=True, env=environment)
    assert "another program" in json.loads(answer.stdout)["unreadable"]
    assert not (tmp_path / "a.png.ran").exists()


@pytest.fixture
def two_pictures(tmp_path) -> list[Path]:
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path, grey in zip(paths, (40, 200), strict=True):
        PIL.Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(path)
    return paths


def test_what_a_library_prints_is_no_answer(tmp_path, two_pictures, monkeypatch):
    """A forged answer on standard output reaches nobody: the channel is not there any more."""
    forged = json.dumps({"number": 0, "path": str(two_pictures[0]), "unreadable": "forged"})
    body = f"os.write(1, {forged!r}.encode() + b'\\n'); os.system('echo forged')"
    monkeypatch.setattr("evals.scoring.decoders.WORKER", forging(tmp_path, body))
    with Decoders(workers=1) as decoders:
        decoded = list(decoders.decode(two_pictures))
    assert [int(image.pixels[0, 0, 0]) for image in decoded if isinstance(image, DecodedImage)] == [40, 200]


def test_answer_about_another_file_is_refused(tmp_path, two_pictures, monkeypatch):
    """A worker that answers the first request twice gives the second file nothing."""
    repeating = "parse = decode_worker.json.loads\ndecode_worker.json.loads = lambda line: {**parse(line), 'number': 0}"
    monkeypatch.setattr("evals.scoring.decoders.WORKER", forging(tmp_path, "pass", further=repeating))
    with Decoders(workers=1) as decoders:
        decoded = list(decoders.decode(two_pictures))
    assert [image.reason for image in decoded if isinstance(image, Unreadable)] == ["decode_crashed"]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_children_of_a_hanging_decoder_end_with_it(tmp_path, two_pictures, monkeypatch, watchdogs):
    pid_file = tmp_path / "pid"
    body = (
        f"child = subprocess.Popen(['sleep', '600'])\n"
        f"    open({str(pid_file)!r}, 'w').write(str(child.pid) + '.'); time.sleep(600)"
    )
    monkeypatch.setattr("evals.scoring.decoders.WORKER", forging(tmp_path, body))

    def interrupt() -> None:
        while not pid_file.exists() or not pid_file.read_text().endswith("."):
            time.sleep(0.02)
        watchdogs[0].go_off()

    with Decoders(workers=1) as decoders, ThreadPoolExecutor() as threads:
        threads.submit(interrupt)
        decoded = list(decoders.decode(two_pictures[:1]))
    assert isinstance(decoded[0], Unreadable)
    while _runs(int(pid_file.read_text().rstrip("."))):
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Tell whether a process is there and does not only wait to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
