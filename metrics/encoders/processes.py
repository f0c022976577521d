"""Functions called in processes of their own, for libraries that hold the interpreter's lock while they compute."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_of_thread = threading.local()


def core_seconds() -> float:
    """Return the core-seconds that this thread has taken, and what it had computed elsewhere by `Processes`."""
    return time.thread_time() + getattr(_of_thread, "elsewhere", 0.0)


def start_child(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that serves this one through its standard streams, and imports what this one does.

    It is the leader of a group of its own: what is typed at the terminal does not reach it, and it can be ended with
    all that it has started. What it says on standard error goes nowhere: libraries chat there about harmless damage.
    """
    root = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": search},
        start_new_session=True,
    )


class Processes:
    """A function that may be called by several threads at once, each call in a process that is then free for others.

    Plain child processes and not ``multiprocessing``, which would run the caller's script again in every child. They
    start when they are needed and end with this object.
    """

    def __init__(self, factory: Callable[..., Callable[[Any], Any]], *arguments: Any) -> None:
        """Keep how each process makes the function: a ``factory`` of a module that can be imported, and what it gets.

        What the function gets, returns and raises must be picklable.
        """
        self._made_by = factory, arguments
        self._idle: queue.LifoQueue[subprocess.Popen[bytes]] = queue.LifoQueue()
        self._children: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _end_all, self._children)

    def load(self) -> None:
        """Have one process ready; raises what making the function raised there."""
        self._idle.put(self._take())

    def __call__(self, argument: Any) -> Any:
        """Return what the function returns, or raise what it raises; RuntimeError if its process died of it."""
        child = self._take()
        try:
            return self._ask(child, argument)
        finally:
            if child in self._children:
                self._idle.put(child)

    def _take(self) -> subprocess.Popen[bytes]:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        child = start_child([sys.executable, "-m", __name__])
        self._children.append(child)
        try:
            self._ask(child, self._made_by)
        except BaseException:
            self._end(child)
            raise
        return child

    def _ask(self, child: subprocess.Popen[bytes], argument: Any) -> Any:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump(argument, child.stdin, pickle.HIGHEST_PROTOCOL)
            child.stdin.flush()
            returned, raised, seconds = pickle.load(child.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._end(child)
            raise RuntimeError("the process that computed it died") from error
        except BaseException:
            self._end(child)  # its answer would be taken for that to the next question
            raise
        _of_thread.elsewhere = getattr(_of_thread, "elsewhere", 0.0) + seconds
        if raised is not None:
            raise raised
        return returned

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if child in self._children:
            self._children.remove(child)
            end_child(child)


def kill_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child with its whole process group, where the system has groups."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and everything that it has started, wait for it, and close what led to it."""
    kill_child(child)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        # What could not be written to a dead process is of no use any more.
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def _end_all(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        end_child(child)


def private_stream(descriptor: int, mode: str) -> BinaryIO:
    """Move a standard stream of a child to where no process inherits it, and leave nothing in its place.

    Whoever could write to the answers could give one question the answer of another.
    """
    private = os.dup(descriptor)  # a duplicate is not inherited
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    stream: BinaryIO = os.fdopen(private, mode)  # type: ignore[assignment]
    return stream


def main() -> None:
    """Serve: make the function that is asked for first, and call it until the input ends."""
    questions, answers = private_stream(0, "rb"), private_stream(1, "wb")
    function: Callable[[Any], Any] = _make
    while True:
        try:
            question = pickle.load(questions)
        except EOFError:
            return
        before, returned, raised = time.process_time(), None, None
        try:
            if function is _make:
                function = _make(question)
            else:
                returned = function(question)
        except Exception as error:  # whatever it is, it is raised where the function was called
            raised = error
        pickle.dump((returned, raised, time.process_time() - before), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _make(factory_and_arguments: tuple[Callable[..., Callable[[Any], Any]], tuple[Any, ...]]) -> Callable[[Any], Any]:
    factory, arguments = factory_and_arguments
    return factory(*arguments)


if __name__ == "__main__":
    main()
