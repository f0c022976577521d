"""Random numbers of drawings: theirs alone, and ready before any thread draws."""

import subprocess
import sys

from evals.suites.drawing.randomness import generator


def test_the_same_parts_give_the_same_numbers_and_others_give_others():
    first, again, other = (generator(*parts).random() for parts in (("a", 1), ("a", 1), ("a", 2)))
    assert first == again != other


def test_numpys_generators_are_imported_before_threads_draw():
    code = "import sys, evals.suites.drawing.randomness; assert 'random' in vars(sys.modules['numpy'])"
    subprocess.run([sys.executable, "-c", code], check=True)
