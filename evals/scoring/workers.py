"""The threads that encode: as many inputs at once as there are cores, within a bound on the memory that they take."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from metrics.encoders.runtime import cores, workers

Task = concurrent.futures.Future[None]


class Workers:
    """A pool of threads; use it as a context manager, which waits for what is running and drops what is not.

    After a task has failed no other one begins, and its error is raised by whatever waits for a task.
    """

    def __init__(self, most_bytes: int, number: int | None = None) -> None:
        """Bound what all threads together take beside their inputs; one task alone may take more."""
        self._pool = concurrent.futures.ThreadPoolExecutor(number or workers(), "encoder")
        self._most_bytes, self._bytes = most_bytes, 0
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._torch_threads: int | None = None

    def __enter__(self) -> Workers:
        """Return the pool itself."""
        if torch := sys.modules.get("torch"):
            self._torch_threads = torch.get_num_threads()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the tasks that have begun."""
        self._pool.shutdown(cancel_futures=True)
        # The setting is the whole process's, which may be somebody's notebook.
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self._torch_threads or cores())

    def submit(self, n_bytes: int, function: Callable[..., None], *arguments: Any) -> Task:
        """Have a function called that takes ``n_bytes`` for itself while it runs."""
        return self._pool.submit(self._call, n_bytes, function, *arguments)

    def wait(self, tasks: Iterable[Task]) -> None:
        """Wait until tasks are done, or one has failed."""
        for task in tasks:
            task.result()
            if self._error is not None:
                raise self._error

    def _call(self, n_bytes: int, function: Callable[..., None], *arguments: Any) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._bytes or self._bytes + n_bytes <= self._most_bytes)
            if self._error is not None:
                return
            self._bytes += n_bytes
        try:
            function(*arguments)
        except BaseException as error:
            self._error = error
            raise
        finally:
            with self._changed:
                self._bytes -= n_bytes
                self._changed.notify_all()
