"""The faults and inputs that the toolkit is held against, one literal row each; `python -m tests.faults` runs them."""

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from evals.imageset.imageset import MOST_SYSTEMS
from tests.faults.hostile_files import HOSTILE

Build = Callable[[], object]
"""Makes the fault in the working folder, which holds what the fixture ``prepared`` describes."""

DEEP = "[" * 100_000 + "]" * 100_000
SCORE = "score set --metrics reproducibility.ssim --out out"
MADE = "score made --metrics quality.exposure --out made"
GENERATE = "generate small.yaml --simulated --out made"
GENERATE_OUT = "generate small.yaml --simulated --out out"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault or input.

    ``command`` is what is asked for then; in it ``EMPTY`` and ``BYTES`` stand for an empty path and one that is no
    UTF-8. ``sentence`` is a part of what it says, ``exit_code`` 2 where it refuses, 1 where it finds what it looks for,
    0 where it goes on. ``anew`` are the files that it makes again; all others must stay as they are.
    """

    subject: str
    fault: str
    build: Build
    command: str
    sentence: str
    exit_code: int = 2
    anew: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.subject}: {self.fault}"


def put(name: str, content: str | bytes) -> Build:
    """Write a file in the place of what was there."""

    def write() -> None:
        path = Path(name)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def change(name: str, how: Callable[[bytes], bytes]) -> Build:
    return lambda: Path(name).write_bytes(how(Path(name).read_bytes()))


def remove(name: str) -> Build:
    return lambda: Path(name).unlink()


def replace_by(name: str, make: Callable[[Path], object]) -> Build:
    """Put something else than a regular file in the place of one."""

    def build() -> None:
        Path(name).unlink(missing_ok=True)
        make(Path(name))

    return build


def of_bytes(size: int) -> Callable[[Path], object]:
    """Return what writes a file that says to have so many bytes, and has a PNG in front and holes behind."""

    def write(path: Path) -> None:
        path.write_bytes(saved("png"))
        os.truncate(path, size)

    return write


def set_picture() -> Path:
    """Return the picture of the first row of ``set``."""
    return Path("set") / json.loads(Path("set/metadata.jsonl").read_text().splitlines()[0])["file_name"]


def picture(how: Callable[[bytes], bytes]) -> Build:
    return lambda: set_picture().write_bytes(how(set_picture().read_bytes()))


def picture_as(make: Callable[[Path], object]) -> Build:
    return lambda: replace_by(str(set_picture()), make)()


def saved(kind: str, size: tuple[int, int] = (32, 32)) -> bytes:
    path = Path(f"saved.{kind}")
    PIL.Image.fromarray(np.random.default_rng(2).integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.unlink()
    return content


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def one_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def of_size(png: bytes, side: int) -> bytes:
    """Return a PNG whose header says another size."""
    header = png[12:16] + side.to_bytes(4, "big") * 2 + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


def first_row(**changes: object) -> str:
    return json.dumps(json.loads(Path("set/metadata.jsonl").read_text().splitlines()[0]) | changes)


def row(make: Callable[[], str]) -> Build:
    """Put a line in the place of the first of ``metadata.jsonl``."""

    def write() -> None:
        rest = Path("set/metadata.jsonl").read_text().splitlines()[1:]
        Path("set/metadata.jsonl").write_text("\n".join([make(), *rest]))

    return write


def system_called(name: str) -> Build:
    return row(lambda: first_row(system=name, file_sha256=None, pixel_sha256=None))


def too_many_pictures() -> None:
    rows = []
    for n in range(MOST_SYSTEMS + 1):
        shutil.copy(set_picture(), f"set/images/{n}.png")
        rows.append(json.loads(first_row()) | {"system": f"m{n}", "file_name": f"images/{n}.png"})
    Path("set/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


TOO_MANY = "\n".join(json.dumps({"system": f"m{n}", "outcome": "refused"}) for n in range(MOST_SYSTEMS + 1))
EVAL = "name: small\nsystems: [flux-2-pro@bfl, flux-2-klein-4b@bfl]\nsuites: [demo-signs]\nseed: 7\n"
SUITE = "name: mine\nversion: 1\npurpose: A\nmade: B\nlimits: C\nitems:\n  - {id: a, prompt: b}\n"
SYSTEMS = ", ".join(f"m{n}@bfl" for n in range(100_000))

ROWS = [
    Case("metadata", "nesting", row(lambda: f'{{"file_name": {DEEP}}}'), SCORE, "row 1: is not valid JSON"),
    Case("metadata", "half a character", row(lambda: first_row(prompt="\ud800")), SCORE, "half a character"),
    Case("metadata", "half a path", row(lambda: first_row(file_name="\udcff.png")), SCORE, "half a character"),
    Case("metadata", "a key twice", row(lambda: first_row()[:-1] + ', "system": "z"}'), SCORE, "'system' is given"),
    Case("metadata", "5000 digits", row(lambda: f'{{"seed": {"9" * 5000}}}'), SCORE, "row 1: is not valid"),
    Case("metadata", "not UTF-8", put("set/metadata.jsonl", b"\xff\xfe"), SCORE, "is not UTF-8 text"),
    Case("metadata", "too many systems", too_many_pictures, SCORE, f"names {MOST_SYSTEMS + 1} systems and at most"),
    Case("metadata", "empty", put("set/metadata.jsonl", ""), SCORE, "holds no usable row"),
    Case("metadata", "missing", remove("set/metadata.jsonl"), SCORE, "does not exist"),
    Case("metadata", "a pipe", replace_by("set/metadata.jsonl", os.mkfifo), SCORE, "not a regular file"),
    Case("metadata", "a folder", replace_by("set/metadata.jsonl", Path.mkdir), SCORE, "does not exist"),
    Case("metadata", "a path out", row(lambda: first_row(file_name="../small.yaml")), SCORE, "out of the folder"),
    Case("metadata", "an absolute path", row(lambda: first_row(file_name="/etc/passwd")), SCORE, "absolute path"),
    Case("metadata", "a null byte", row(lambda: first_row(file_name="a\0.png")), SCORE, "not a portable path"),
    Case("metadata", "gigabytes of holes", replace_by("set/metadata.jsonl", of_bytes(9 << 30)), SCORE, "the limit"),
    Case("metadata", "an infinite seed", row(lambda: '{"seed": 1e999}'), SCORE, "beyond any number"),
    Case("requests", "nesting", put("set/requests.jsonl", DEEP), SCORE, "requests.jsonl row 1: is not valid JSON"),
    Case("requests", "a key twice", put("set/requests.jsonl", '{"a": 1, "a": 2}'), SCORE, "'a' is given twice"),
    Case("requests", "too many systems", put("set/requests.jsonl", TOO_MANY), SCORE, "column 'system' names"),
    Case("eval", "a billion repeats", put("e.yaml", EVAL + "repeats: 1000000000\n"), "estimate e.yaml", "at most 1000"),
    Case("eval", "a long number", put("e.yaml", EVAL + f"repeats: {'9' * 5000}\n"), "estimate e.yaml", "'repeats'"),
    Case("eval", "100,000 systems", put("e.yaml", f"name: a\nsystems: [{SYSTEMS}]\nsuites: [demo-signs]\nseed: 7\n"),
         "estimate e.yaml", "there is no system 'm0@bfl'"),
    Case("eval", "nesting", put("e.yaml", f"a: {DEEP}"), "estimate e.yaml", "nested more than 50 levels deep"),
    Case("eval", "a key twice", put("e.yaml", EVAL + "seed: 8\n"), "estimate e.yaml", "given before, in line 4"),
    Case("eval", "a list for a key", put("e.yaml", EVAL + "? [a]\n: 1\n"), "estimate e.yaml", "name is a text"),
    Case("eval", "half a character", put("e.yaml", 'name: "\\ud800"'), "estimate e.yaml", "not YAML"),
    Case("eval", "not UTF-8", put("e.yaml", b"\xff\xfe"), "estimate e.yaml", "cannot be read as UTF-8"),
    Case("eval", "a Python object", put("e.yaml", "a: !!python/name:os.system x"), "estimate e.yaml", "not used here"),
    Case("eval", "aliases", put("e.yaml", "a: &a [b]\nc: *a\n"), "estimate e.yaml", "aliases (*name) are not used"),
    Case("eval", "a pipe", replace_by("e.yaml", os.mkfifo), "estimate e.yaml", "not a regular file"),
    Case("eval", "gigabytes of holes", replace_by("e.yaml", of_bytes(3 << 30)), "estimate e.yaml", "over the limit of"),
    Case("eval", "a device", replace_by("e.yaml", lambda path: path.symlink_to("/dev/zero")), "estimate e.yaml",
         "not a regular file"),
    Case("weights", "a row that is not there", put("w.yaml", "s:reproducibilty: 1\n"), "rate run --weights w.yaml",
         "w.yaml, line 1, field 's:reproducibilty': there is no row of the star table"),
    Case("weights", "below zero", put("w.yaml", "s:reproducibility: -1\n"), "report run --out o --weights w.yaml",
         "-1 is too small; it is at least 0"),
    Case("weights", "a list", put("w.json", "[1]"), "rate run --weights w.json --json", "w.json, line 1: the file"),
    Case("weights", "missing", lambda: None, "rate run --weights w.yaml", "w.yaml: there is no such file"),
    Case("suite", "a million seeds", put("mine.yaml", SUITE + "seeds: 1000000\n"), "suites show mine.yaml", "at most"),
    Case("suite", "a pipe", replace_by("mine.yaml", os.mkfifo), "suites show mine.yaml", "not a regular file"),
    Case("suite", "empty", put("mine.yaml", ""), "suites show mine.yaml", "holds no fields"),
]  # fmt: skip

PATHS = [
    Case("path", f"{what}, {name}", lambda: None, f"{command} {sign}", sentence)
    for what, sign, sentence in (("empty", "EMPTY", "the path is empty"), ("not UTF-8", "BYTES", "is not UTF-8 text"))
    for name, command in {
        "out of score": "score set --out",
        "out of report": "report run --out",
        "out of generate": "generate demo --simulated --out",
        "out of run": "run demo --simulated --out",
        "out of demo": "demo --out",
        "out of audit": "audit --out",
        "run of rate": "rate",
        "run of verify": "verify",
        "runs of compare": "compare run",
        "set of score": "score --out x",
    }.items()
]

PICTURES = [
    Case("picture", "empty", picture(lambda content: b""), SCORE, "is empty"),
    Case("picture", "text", picture(lambda content: b"not a picture\n"), SCORE, "is not an image that can be read"),
    Case("picture", "half a PNG", picture(half), SCORE, "is truncated"),
    Case("picture", "half a JPEG", picture(lambda content: half(saved("jpg"))), SCORE, "is truncated"),
    Case("picture", "half a JPEG with an end mark",
         picture(lambda content: half(saved("jpg", (256, 256))) + b"\xff\xd9"), SCORE, "is truncated"),
    Case("picture", "half a WebP", picture(lambda content: half(saved("webp"))), SCORE, "is truncated"),
    Case("picture", "40,000 x 40,000 pixels",
         picture(lambda content: of_size(content, 40_000)), SCORE, "megapixels"),
    Case("picture", "one bit", picture(one_bit), SCORE, "row 1: 'images/"),
    Case("picture", "exchanged", picture(lambda content: saved("png")), SCORE, "not the picture that its row records"),
    Case("picture", "something behind it", picture(lambda content: content + b"more"), SCORE, "not the picture that"),
    Case("picture", "missing", lambda: set_picture().unlink(), SCORE, "does not exist"),
    Case("picture", "gigabytes of holes", picture_as(of_bytes(3 << 30)), SCORE, "over the limit of 1,024"),
    Case("picture", "a folder", picture_as(Path.mkdir), SCORE, "does not exist"),
    Case("picture", "a pipe", picture_as(os.mkfifo), SCORE, "does not exist"),
    Case("picture", "a link to a pipe", picture_as(lambda path: (os.mkfifo("set/pipe"), path.symlink_to("../pipe"))),
         SCORE, "does not exist"),
    Case("picture", "a link to itself", picture_as(lambda path: path.symlink_to(path.name)), SCORE, "does not exist"),
    Case("picture", "a link out", picture_as(lambda path: path.symlink_to("../../small.yaml")), SCORE, "through a"),
    *(Case("picture", f"{kind} under the name of a PNG", picture(lambda _, content=content: content), SCORE,
           "is not an image that can be read") for kind, content in sorted(HOSTILE.items())),
]  # fmt: skip

NOISE = np.random.default_rng(3).bytes(4000)
HOW: dict[str, Callable[[str], Build]] = {
    "missing": remove,
    "empty": lambda name: put(name, ""),
    "half": lambda name: change(name, half),
    "noise": lambda name: put(name, NOISE),
    "one bit": lambda name: change(name, one_bit),
}


def stored() -> Iterator[Case]:
    for how, damage in HOW.items():
        for name in ("samples.jsonl", "scores.parquet"):
            said = f"{name} is {'missing' if how == 'missing' else 'not what it was when the run was scored'}"
            yield Case(name, how, damage(f"made/{name}"), "rate made", said)
        for name in ("images/requests.jsonl", "eval.yaml"):
            yield Case(name, how, damage(f"made/{name}"), "rate made", "is not what it was when the run was scored")
        said = "provenance.json is missing" if how == "missing" else "provenance.json is damaged"
        yield Case("provenance.json", how, damage("made/provenance.json"), "rate made", said)
        yield Case(
            "ratings.json", how, damage("made/ratings.json"), "rate made", "images scored", 0, ("made/ratings.json",)
        )
        if how != "missing":
            changed = "is not what it was when the pictures were generated"
            yield Case("metadata.jsonl", how, damage("made/images/metadata.jsonl"), MADE, changed)
            yield Case("eval.yaml, before scoring", how, damage("made/eval.yaml"), MADE, changed)
        if how != "half":  # which may end with a whole line
            said = "ledger.jsonl" if how in ("missing", "empty") else "the ledger is damaged"
            yield Case("ledger.jsonl", how, damage("made/images/ledger.jsonl"), GENERATE, said)
    for text in ("[]", "null", "1", '"x"', "{", "{}", '{"image_set": []}', '{"a": 1, "a": 2}', '{"a": "\\ud800"}'):
        yield Case("provenance.json", f"`{text}`", put("run/provenance.json", text), "rate run", "is damaged")
    for what, text in {"nesting": DEEP, "not UTF-8": b"\xff\xfe", "5000 digits": "9" * 5000}.items():
        yield Case("provenance.json", what, put("run/provenance.json", text), "rate run", "is damaged")
        again = put("run/ratings.json", text)
        yield Case("ratings.json", what, again, "rate run", "images scored", 0, ("run/ratings.json",))
    for name in (
        "samples.jsonl",
        "scores.parquet",
        "eval.yaml",
        "images/requests.jsonl",
        "images/metadata.jsonl",
        "images/SHA256SUMS",
    ):
        yield Case(name, "one bit, verified", change(f"made/{name}", one_bit), "verify made", "different: ", 1)
    verified = change("made/ratings.json", one_bit)
    yield Case("ratings.json", "one bit, verified", verified, "verify made", "different: ", 1)
    yield Case("picture", "a pipe, verified", picture_as(os.mkfifo), "verify run", "is no regular file any more", 1)
    holes = replace_by("made/images/ledger.jsonl", of_bytes(9 << 30))
    yield Case("ledger.jsonl", "gigabytes of holes", holes, GENERATE, "over the limit of 8,192")
    lines = change("made/images/ledger.jsonl", lambda content: b"".join(content.splitlines(keepends=True)[:-2]))
    yield Case("ledger.jsonl", "without its end", lines, GENERATE, "ledger.jsonl knows ")
    other = put("small.yaml", EVAL + "repeats: 3\n")
    yield Case("eval", "another one than the run's", other, GENERATE, "holds a run of another eval")


NAMES = [
    Case("name", what, system_called(name), SCORE, "", 0)
    for what, name in {
        "escape sequences": "\x1b[31mred\x1b]0;title\x07",
        "reversed text": "a\u202egnp.exe",
        "a script": "<script>alert(1)</script>",
        "a formula": "=HYPERLINK(1)",
    }.items()
]


def planted(name: str) -> Build:
    """Put a link to the eval where this process would write a file before it takes its name."""
    return lambda: Path(f"{Path(name).parent}/.{Path(name).name}.{os.getpid()}.new").symlink_to("../small.yaml")


def linked(name: str, to: str) -> Build:
    return replace_by(name, lambda path: path.symlink_to(to))


def link_in(folder: str, name: str) -> None:
    """Put a link to a file of the user, one line without an end, where a command would append to its own."""
    shutil.copytree("made", "out", ignore=shutil.ignore_patterns("images", "provenance.json"))
    Path(folder).mkdir(exist_ok=True)
    Path(folder, ".lock").unlink(missing_ok=True)
    Path(folder, name).symlink_to(Path("small.txt").absolute())


def asked(reference: Callable[[], str]) -> Build:
    """Write prompts and a suite in a folder of their own that name this reference picture."""

    def write() -> None:
        Path("out").mkdir()
        Path("out/p.jsonl").write_text(json.dumps({"prompt": "y", "reference_images": [reference()]}))
        Path("out/mine.yaml").write_text(SUITE[:-1].replace("}", f", reference_images: [{json.dumps(reference())}]}}"))

    return write


def link_to_picture() -> str:
    Path("out/link.png").unlink(missing_ok=True)
    Path("out/link.png").symlink_to(set_picture().absolute())
    return "link.png"


OUT = {
    "a path out": (lambda: f"../{set_picture()}", "leads out of the folder"),
    "an absolute path": (lambda: str(set_picture().absolute()), "is an absolute path"),
    "a link out": (link_to_picture, "leads out of the folder through a link"),
}


def brought(name: str, content: str) -> Build:
    """Make two folders of pictures, and a file in the first."""

    def write() -> None:
        for system in "AB":
            Path("out", system).mkdir(parents=True)
            shutil.copy(set_picture(), Path("out", system, "p.png"))
        Path("out/A", name).write_text(content)

    return write


IMPORTS = [
    ("a key twice", "metadata.jsonl", '{"file_name": "p.png", "seed": 1, "seed": 2}', "new", "'seed' is given twice"),
    ("a column twice", "metadata.csv", "file_name,shop,shop\np.png,a,b\n", "new", "two columns are called 'shop'"),
    ("half a character", "metadata.jsonl", '{"file_name": "p.png", "prompt": "\\ud800"}', "new", "half a character"),
]

GENERATE_PROMPTS = "generate --systems flux-2-pro@bfl,flux-2-klein-4b@bfl --simulated --out new --prompts"
LINKS = [
    *(Case("reference picture", f"{what}, in {file}", asked(reference), f"{command} out/{file}", sentence)
      for what, (reference, sentence) in OUT.items()
      for file, command in (("p.jsonl", GENERATE_PROMPTS), ("mine.yaml", "suites show"))),
    *(Case("import", what, brought(name, content), f"import A=out/A B=out/B --out {to}", sentence)
      for what, name, content, to, sentence in IMPORTS),
    Case("import", "one folder in the other", brought("x.txt", ""), "import A=out B=out/B --out new", "one within"),
    Case("import", "metadata that is a link out", lambda: (brought("x.txt", "")(), Path("out/A/metadata.jsonl")
         .symlink_to("../../set/metadata.jsonl")), "import A=out/A B=out/B --out new", "out of the folder through a"),
    Case("import", "out that is a link to nothing", lambda: (brought("x.txt", "")(), Path("out/l").symlink_to("no")),
         "import A=out/A B=out/B --out out/l", "it is a link"),
    Case("prompts", "a key twice", put("p.jsonl", '{"prompt": "x", "prompt": "y"}'), f"{GENERATE_PROMPTS} p.jsonl",
         "'prompt' is given twice"),
    Case("prompts", "a column twice", put("p.csv", "prompt,shop,shop\nx,y,z\n"), f"{GENERATE_PROMPTS} p.csv",
         "two columns are called 'shop'"),
    Case("report", "an introduction that is a pipe", lambda: (Path("out").mkdir(), os.mkfifo("out/i.md")),
         "report run --out new --intro out/i.md", "not a regular file"),
    Case("report", "pictures that are a link", lambda: (Path("out").mkdir(), Path("out/pictures").symlink_to("../set")),
         "report run --out out", "it is a link"),
    Case("ratings.json", "a pipe", replace_by("run/ratings.json", os.mkfifo), "rate run", "images scored", 0,
         ("run/ratings.json",)),
    Case("link", "in the way of ratings.json", lambda: (remove("run/ratings.json")(), planted("run/ratings.json")()),
         "rate run", "images scored", 0, ("run/ratings.json",)),
    Case("link", "in the place of a run's lock", lambda: link_in("out", ".lock"), SCORE, "out/.lock: is a link"),
    Case("link", "in the place of a ledger's lock", lambda: link_in("out/images", ".ledger.jsonl.lock"), GENERATE_OUT,
         "lock: is a link"),
    Case("link", "in the place of a ledger", lambda: link_in("out/images", "ledger.jsonl"), GENERATE_OUT,
         "ledger.jsonl: is a link"),
    Case("link", "for the page of compare", linked("page.html", "small.yaml"), "compare made made --page page.html",
         "page: page.html", 0, ("page.html",)),
]  # fmt: skip

CASES = [*ROWS, *PATHS, *PICTURES, *stored(), *NAMES, *LINKS]
