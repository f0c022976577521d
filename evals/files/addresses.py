"""Folders at an address that fsspec knows (``s3://``, ``gs://`` ...): listed, copied to this machine, written back."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evals.files.atomic_files import staged_path, write_atomically

_AT_ONCE = 16
_KNOWN = ".fetched.json"


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
        self._files = _Files(self.address)
        self._listed: dict[str, dict[str, str]] = {}

    def entries(self, parent: str) -> Mapping[str, str]:
        """Return the names of the files in a folder below the address, and for each what changes when it does."""
        if parent not in self._listed:
            self._listed[parent] = self._files.entries(parent)
        return self._listed[parent]

    def identity(self, name: str) -> str | None:
        """Return what changes when a file does, None where there is no such file."""
        parent, _, base = name.rpartition("/")
        return self.entries(parent).get(base)

    def fetch(self, *names: str) -> None:
        """Bring files, and all files of folders, up to date; what is not there any more is taken away here too."""
        there = self._files.below(names)
        known = self._known()
        for name in known.keys() - there.keys():
            if any(name == each or name.startswith(f"{each}/") for each in names):
                (self.path / name).unlink(missing_ok=True)
        self._fetch(there, known)

    def fetch_files(self, names: Iterable[str]) -> None:
        """Bring files up to date by what their folders list."""
        identities = ((name, self.identity(name)) for name in names)
        self._fetch({name: identity for name, identity in identities if identity is not None}, self._known())

    def _fetch(self, there: Mapping[str, str], known: Mapping[str, list[Any]]) -> None:
        changed = [name for name, identity in there.items() if known.get(name) != [identity, *self._facts(name)]]
        self._files.download(changed, self.path)
        self._note({name: there[name] for name in changed})

    def upload(self, last: str, leave_out: Iterable[str] = ()) -> list[str]:
        """Write back every file that is new or changed here, ``last`` after all others, and return their names.

        ``last`` says that the folder is whole; while the others are written it is not there. Folders to ``leave_out``
        and hidden files stay here.
        """
        known, apart = self._known(), {*leave_out}
        here = (path.relative_to(self.path) for path in sorted(self.path.rglob("*")) if path.is_file())
        names = [each.as_posix() for each in here if each.parts[0] not in apart and not each.name.startswith(".")]
        changed = [name for name in names if known.get(name, [])[1:] != self._facts(name)]
        changed.sort(key=lambda name: name == last)
        if last in changed:
            self._files.remove(last)
        self._files.upload(changed, self.path, last)
        self._listed.clear()
        self._note({name: self.identity(name) or "" for name in changed})
        return changed

    def _facts(self, name: str) -> list[int]:
        with contextlib.suppress(OSError):
            facts = (self.path / name).stat()
            return [facts.st_size, facts.st_mtime_ns]
        return []

    def _known(self) -> dict[str, list[Any]]:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads((self.path / _KNOWN).read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        return {}

    def _note(self, identities: Mapping[str, str]) -> None:
        known = self._known() | {name: [identity, *self._facts(name)] for name, identity in identities.items()}
        write_atomically(self.path / _KNOWN, json.dumps(known).encode())


class _Files:
    """The files below an address, by names relative to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        with self._with_remedy():
            import fsspec

            self.fs, root = fsspec.core.url_to_fs(address)
            self.root = root.rstrip("/")

    def entries(self, parent: str) -> dict[str, str]:
        with self._with_remedy():
            try:
                self.fs.invalidate_cache()
                listed = self.fs.ls(self._remote_path(parent), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        files = ((self._name(each["name"]).rpartition("/")[2], each) for each in listed if each["type"] == "file")
        return {base: _identity(each) for base, each in files if base}

    def below(self, names: Iterable[str]) -> dict[str, str]:
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


def _identity(facts: Mapping[str, Any]) -> str:
    """Return what storage tells of a file that changes when the file does."""
    marks = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created")
    mark = next((str(facts[name]) for name in marks if facts.get(name)), "")
    return f"{facts.get('size')}|{mark}"


def _is_plain(part: str) -> bool:
    return part not in ("", ".", "..") and not re.search(r"[\\\0]|^[A-Za-z]:", part)
