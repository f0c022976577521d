"""Licences: what the product requires may be used commercially, and what states no licence was looked at."""

import importlib.metadata

import pytest

from tests.licences import REVIEWED, Review, licence_of, main, required, row_of


def package(folder, name, *lines, version="1.0"):
    (folder / f"{name}.dist-info").mkdir()
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
    (folder / f"{name}.dist-info" / "METADATA").write_text(text)
    return importlib.metadata.Distribution.at(folder / f"{name}.dist-info")


STATED = [
    (["License-Expression: MIT-CMU"], "MIT"),
    (["License-Expression: Apache-2.0 OR BSD-2-Clause"], "Apache-2.0"),
    (["License-Expression: MPL-2.0 AND MIT"], "MPL-2.0 AND MIT"),
    (["License-Expression: LGPL-2.1-or-later"], "LGPL"),
    (["License-Expression: GPL-2.0-only OR MIT"], "MIT"),
    (["License: Apache 2.0 License"], "Apache-2.0"),
    (["License: a long text", "Classifier: License :: OSI Approved :: BSD License"], "BSD"),
    (["License-Expression: GPL-3.0-or-later"], "refused: GPL-3.0-or-later"),
    (["License-Expression: MIT AND AGPL-3.0-only"], "refused: MIT AND AGPL-3.0-only"),
    (["Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"], "refused: GNU General"),
    (["License: CC-BY-NC-4.0"], "refused: CC-BY-NC-4.0"),
    (["License: Free for non-commercial use"], "refused: Free"),
    (["Classifier: License :: Free for non-commercial use"], "refused: Free"),
    (["License-Expression: MIT", "License: GPL-3.0"], "refused: GPL-3.0"),
    (["License: See the website"], "unrecognised: See the website"),
    (["License: UNKNOWN"], "unrecognised: it states none"),
    ([], "unrecognised: it states none"),
]


@pytest.mark.parametrize(("lines", "licence"), STATED)
def test_a_stated_licence_is_told_in_one_spelling_and_what_may_not_be_used_is_refused(tmp_path, lines, licence):
    row = row_of(package(tmp_path, "thing", *lines))
    assert row.licence.startswith(licence)
    assert row.is_refused == licence.startswith(("refused", "unrecognised"))


@pytest.mark.parametrize(("version", "refused"), [("1.0", False), ("1.1", True)])
def test_a_review_holds_for_the_version_that_was_looked_at(tmp_path, version, refused):
    reviewed = {"thing": Review("1.0", "MIT", "its README")}
    assert row_of(package(tmp_path, "thing", version=version), reviewed).is_refused == refused


def test_what_is_required_by_what_is_required_counts_and_extras_only_where_they_are_asked_for(tmp_path):
    needs = {
        "root": ["Requires-Dist: a[more]", 'Requires-Dist: test; extra == "dev"'],
        "a": ['Requires-Dist: b; extra == "more"', 'Requires-Dist: w; sys_platform == "nowhere"'],
        "b": ["Requires-Dist: root"],
    }
    installed = {name: package(tmp_path, name, *lines) for name, lines in needs.items()}
    assert required("root", installed) == ["a", "b", "root"]
    with pytest.raises(KeyError, match="test"):
        required("root", installed, "dev")


def test_nothing_that_twinlens_requires_is_gpl_or_non_commercial(capsys):
    try:
        importlib.metadata.distribution("twinlens")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("twinlens is not installed here")
    assert main() == 0
    table = capsys.readouterr().out
    assert ", 0 refused" in table
    assert all(name in table and licence_of(review.licence) == review.licence for name, review in REVIEWED.items())
