"""Folders at an address that fsspec knows (``s3://``, ``gs://`` ...): listed, copied to this machine, written back."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evals.files.atomic_files import staged_path, write_atomically

_AT_ONCE = 16
_INDEX = ".fetched"
"""Where copies are kept, and no copy: what the files in each of their folders were when they were fetched or written.

No name that storage lists leads there, and those kept there are compared with names, never followed.
"""


class AddressError(ValueError):
    """What lies at an address cannot be read or written; the message is one sentence that says what to do."""


def is_address(place: str | Path) -> bool:
    """Tell an address from a path of this machine.

    Examples
    --------
    >>> is_address("s3://bucket/set"), is_address("runs/set"), is_address("file:///runs/set")
    (True, False, True)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", str(place)) is not None


def path_or_address(text: str | Path) -> str | Path:
    """Return an address as it is, and anything else as a path; ``file://`` is one.

    Examples
    --------
    >>> path_or_address("s3://bucket/set"), path_or_address("file:///runs/set"), path_or_address("runs/set")
    ('s3://bucket/set', PosixPath('/runs/set'), PosixPath('runs/set'))
    """
    text = str(text)
    return text if is_address(text) and not text.startswith("file://") else Path(text.removeprefix("file://"))


def joined(address: str, *names: str) -> str:
    """Return the address of what lies in a folder at an address.

    Examples
    --------
    >>> joined("s3://bucket/run/", "images", "metadata.jsonl")
    's3://bucket/run/images/metadata.jsonl'
    """
    return "/".join((address.rstrip("/"), *names))


def copies_folder() -> Path:
    """Return where copies are kept: ``$TWINLENS_COPIES``, else ``~/.cache/twinlens/copies``."""
    return Path(os.environ.get("TWINLENS_COPIES") or Path.home() / ".cache" / "twinlens" / "copies").expanduser()


def copy_path(address: str) -> Path:
    """Return where the copy of a folder at an address is kept.

    The copy of a folder lies in that of the folder that it lies in.

    Raises
    ------
    AddressError
        If the address names no folder, leads out of one, or holds a password or a signature: runs tell addresses.
    """
    protocol, _, rest = address.partition("://")
    if "?" in rest or re.match("[^/]*:[^/]*@", rest):
        what = f"the address ({protocol}://...) holds a password or a signature, which the run would tell"
        raise AddressError(f"{what}; give them to the storage's own configuration")
    parts = rest.strip("/").split("/")
    if not is_address(address) or not all(map(_is_plain, parts)):
        raise AddressError(f"{address} is not the address of a folder; write it as s3://bucket/folder")
    return copies_folder().joinpath(protocol.lower(), *parts)


def download(address: str, names: Iterable[str], folder: Path) -> None:
    """Copy files of a folder at an address into a folder; what is not there is left out.

    Raises
    ------
    AddressError
        If the address cannot be read, or a name leads out of the folder.
    """
    _Files(address).download(names, folder)


class FolderCopy:
    """The copy of a folder at an address on this machine: what is read of it is fetched first, if it has changed.

    Attributes
    ----------
    address, path
        The folder there and here.
    """

    def __init__(self, address: str) -> None:
        """Connect to the address; nothing is fetched yet."""
        self.address = address.rstrip("/")
        self.path = copy_path(self.address)
        self.path.mkdir(parents=True, exist_ok=True)
        self._root = copies_folder()
        self._files = _Files(self.address)
        self._listed: dict[str, dict[str, str | None]] = {}

    def entries(self, parent: str) -> Mapping[str, str | None]:
        """Return the names of the files in a folder below the address, and for each its `identity`."""
        if parent not in self._listed:
            self._listed[parent] = self._files.entries(parent)
        return self._listed[parent]

    def identity(self, name: str) -> str | None:
        """Return what changes when a file does; None where there is no such file, or its storage tells nothing."""
        parent, _, base = name.rpartition("/")
        return self.entries(parent).get(base)

    def fetch(self, *names: str, keep_changes: bool = False) -> None:
        """Bring files, and all files of folders, up to date; what is not there any more is taken away here too.

        With ``keep_changes``, files that were changed or made here since stay as they are, until they are uploaded.
        """
        there = self._files.below(names)
        here = self._here(names)
        known = self._known({*here, *there})
        kept = {name for name in here if keep_changes and self._is_changed(name, known)}
        for name in (known.keys() & {*here}) - there.keys() - kept:
            (self.path / name).unlink(missing_ok=True)
        self._fetch({name: identity for name, identity in there.items() if name not in kept}, known)

    def fetch_files(self, names: Iterable[str]) -> None:
        """Bring files up to date by what their folders list."""
        split = ((name, *name.rpartition("/")[::2]) for name in names)
        there = {name: self.identity(name) for name, parent, base in split if base in self.entries(parent)}
        self._fetch(there, self._known(there))

    def _fetch(self, there: Mapping[str, str | None], known: Mapping[str, list[Any]]) -> None:
        changed = [
            name
            for name, identity in there.items()
            if identity is None or known.get(name) != [identity, *self._facts(name)]
        ]
        # First without facts: where this is cut off, what came was not changed here.
        self._note({name: [None] for name in changed})
        self._files.download(changed, self.path)
        self._note({name: [there[name], *self._facts(name)] for name in changed})

    def upload(self, last: str, names: Iterable[str]) -> list[str]:
        """Write back what is new or changed here of files and folders, ``last`` after the others; return their names.

        ``last`` says that the folder is whole; while the others are written it is not there. Hidden files stay here.
        """
        here = [name for name in self._here(names) if not name.rpartition("/")[2].startswith(".")]
        known = self._known(here)
        changed = sorted((name for name in here if self._is_changed(name, known)), key=lambda name: name == last)
        if last in changed:
            self._files.remove(last)
        self._files.upload(changed, self.path, last)
        self._listed.clear()
        self._note({name: [self.identity(name), *self._facts(name)] for name in changed})
        return changed

    def _here(self, names: Iterable[str]) -> list[str]:
        """Return the files here that some names, of files or folders, stand for."""
        places = [self.path / name for name in names]
        below = (path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*"))))
        return [path.relative_to(self.path).as_posix() for path in below if path.is_file()]

    def _is_changed(self, name: str, known: Mapping[str, list[Any]]) -> bool:
        """Tell whether a file was made or changed here since it was fetched or uploaded."""
        noted = known.get(name)
        return noted is None or (len(noted) > 1 and noted[1:] != self._facts(name))

    def _facts(self, name: str) -> list[int]:
        with contextlib.suppress(OSError):
            facts = (self.path / name).stat()
            return [facts.st_size, facts.st_mtime_ns]
        return []

    def _index(self, parent: str) -> Path:
        """Return what is known of the files in a folder; copies that lie one in the other have one of it."""
        folder = (self.path / parent).relative_to(self._root).as_posix()
        return self._root / _INDEX / f"{hashlib.sha256(folder.encode()).hexdigest()}.json"

    def _known(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Return for names what their identity, size and time were, of those alone whose state here is known."""
        known: dict[str, list[Any]] = {}
        for parent, bases in _by_folder(names).items():
            noted = _read_index(self._index(parent))
            known |= {name: noted[base] for base, name in bases.items() if base in noted}
        return known

    def _note(self, facts: Mapping[str, list[Any]]) -> None:
        for parent, bases in _by_folder(facts).items():
            index = self._index(parent)
            index.parent.mkdir(parents=True, exist_ok=True)
            noted = _read_index(index) | {base: facts[name] for base, name in bases.items()}
            write_atomically(index, json.dumps(noted).encode())


def _by_folder(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return names by the folder that they are in and by their last part."""
    folders: dict[str, dict[str, str]] = {}
    for name in names:
        parent, _, base = name.rpartition("/")
        folders.setdefault(parent, {})[base] = name
    return folders


def _read_index(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads(path.read_text(encoding="utf-8"))
        return noted if isinstance(noted, dict) else {}
    return {}


class _Files:
    """The files below an address, by names relative to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        with self._with_remedy():
            import fsspec

            self.fs, root = fsspec.core.url_to_fs(address)
            self.root = root.rstrip("/")

    def entries(self, parent: str) -> dict[str, str | None]:
        with self._with_remedy():
            try:
                self.fs.invalidate_cache()
                listed = self.fs.ls(self._remote_path(parent), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        files = ((self._name(each["name"]).rpartition("/")[2], each) for each in listed if each["type"] == "file")
        return {base: _identity(each) for base, each in files if base}

    def below(self, names: Iterable[str]) -> dict[str, str | None]:
        with self._with_remedy():
            self.fs.invalidate_cache()
            found = [self.fs.find(self._remote_path(name), detail=True) for name in names]
        files = ((self._name(path), facts) for each in found for path, facts in each.items())
        return {name: _identity(facts) for name, facts in files if not name.endswith("/")}

    def download(self, names: Iterable[str], folder: Path) -> None:
        def get(name: str) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            staged = staged_path(path)
            try:
                self.fs.get_file(self._remote_path(name), str(staged))
                staged.replace(path)
            except FileNotFoundError:
                path.unlink(missing_ok=True)
            finally:
                staged.unlink(missing_ok=True)

        self._each(get, names)

    def upload(self, names: Iterable[str], folder: Path, last: str) -> None:
        def put(name: str) -> None:
            there = self._remote_path(name)
            try:
                self.fs.put_file(str(folder / name), there)
            except FileNotFoundError:  # where folders are things
                self.fs.makedirs(there.rpartition("/")[0], exist_ok=True)
                self.fs.put_file(str(folder / name), there)

        names = [*names]
        self._each(put, [name for name in names if name != last])
        self._each(put, [name for name in names if name == last])

    def remove(self, name: str) -> None:
        with self._with_remedy(), contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self._remote_path(name))

    def _each(self, work: Any, names: Iterable[str]) -> None:
        names = [*names]
        for name in names:
            self._check(name)
        with self._with_remedy(), concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "files") as threads:
            for _ in threads.map(work, names):
                pass

    def _remote_path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _name(self, path: str) -> str:
        """Return a listed path relative to the address; what leads out of it is refused, whoever wrote it there."""
        name = path.removeprefix(self.root).lstrip("/") if path.startswith(self.root) else path
        self._check(name.rstrip("/"))
        return name

    def _check(self, name: str) -> None:
        if not all(map(_is_plain, name.split("/"))):
            raise AddressError(f"{self.address} has a file {name!r}, which leads out of its folder; delete it there")

    @contextlib.contextmanager
    def _with_remedy(self) -> Iterator[None]:
        """Say in one sentence what failed: every kind of storage raises errors of its own."""
        try:
            yield
        except AddressError:
            raise
        except ImportError as error:
            remedy = "pip install 'twinlens[ray]' for s3://, else the package of fsspec for it"
            raise AddressError(f"{self.address} cannot be opened ({error}); {remedy}") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            remedy = "look at the address, the keys and the network; the same command goes on where it was"
            raise AddressError(f"{self.address} cannot be used ({what}); {remedy}") from error


def _identity(facts: Mapping[str, Any]) -> str | None:
    """Return what storage tells of a file that changes when the file does, None where it tells no such thing."""
    marks = ("ETag", "etag", "md5Hash", "generation", "blob_id", "last_commit")
    times = ("mtime", "LastModified", "last_modified", "created")
    mark = next((str(facts[name]) for name in (*marks, *times) if facts.get(name)), None)
    return f"{facts.get('size')}|{mark}" if mark else None


def _is_plain(part: str) -> bool:
    return part not in ("", ".", "..") and not re.search(r"[\\\0]|^[A-Za-z]:", part)
