"""Other versions of a project, as the files that differ."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qatlint.runtime.overlay import Overlay, OverlayError, keeping
from qatlint.runtime.overlay import parse as parse_version
from qatlint.runtime.target import Target


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def parse(text: str, target_file: str, folder: str) -> Overlay:
    """As for a target in this file, or in a module that is not found."""
    return parse_version(text, Target("", target_file, "" if target_file else "elsewhere", "f"), [folder])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two files committed; then one is changed, one is taken away, one is new."""
    package = tmp_path / "pkg"
    package.mkdir()
    for name in ("kept.py", "changed.py", "gone.py"):
        (package / name).write_text(f"old = {name!r}\n")
    (tmp_path / "data.txt").write_text("old")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (package / "changed.py").write_text("new = 1\n")
    (package / "gone.py").unlink()
    (package / "new.py").write_text("new = 2\n")
    (tmp_path / "data.txt").write_text("new")
    return tmp_path


@pytest.mark.parametrize("folder", [".", "pkg"])
def test_git_gives_what_differs_from_the_revision(project: Path, folder: str) -> None:
    found = parse("git:HEAD", "", str(project / folder))
    assert {str(Path(path).relative_to(project)): text for path, text in found.items()} == {
        "pkg/changed.py": b"old = 'changed.py'\n",
        "pkg/gone.py": b"old = 'gone.py'\n",
        "pkg/new.py": None,
        "data.txt": b"old",
    }


def test_a_file_added_to_the_index_was_not_there_either(project: Path) -> None:
    git(project, "add", "pkg/new.py")
    assert parse("git:HEAD", "", str(project))[str(project / "pkg/new.py")] is None


def test_data_that_is_tracked_counts_and_new_data_does_not(project: Path) -> None:
    (project / "pkg/model.yaml").write_text("depth: 1\n")
    git(project, "add", "pkg/model.yaml")
    git(project, "commit", "-qm", "data")
    (project / "pkg/model.yaml").write_text("depth: 2\n")
    (project / "weights.pt").write_bytes(b"new")
    (project / "sample.pt").write_bytes(b"new")
    git(project, "add", "sample.pt")
    found = {os.path.basename(path): text for path, text in parse("git:HEAD", "", str(project)).items()}
    assert found["model.yaml"] == b"depth: 1\n"
    assert not {"weights.pt", "sample.pt"} & set(found)


def test_of_a_folder_only_what_differs_counts(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for folder in ("pkg", "env/lib", ".tox", "pkg/__pycache__"):
        (other / folder).mkdir(parents=True)
    (other / "env/pyvenv.cfg").touch()
    (project / "pkg/a.yaml").write_text("here\n")
    for name in (
        "env/lib/a.py",
        ".tox/a.py",
        "pkg/__pycache__/a.py",
        "pkg/new_here.py",
        "pkg/a.yaml",
        "b.yaml",
    ):
        (other / name).write_text("there\n")
    (other / "pkg/kept.py").write_bytes((project / "pkg/kept.py").read_bytes())
    assert parse(str(other), "", str(project)) == {
        str(project / "pkg/new_here.py"): b"there\n",
        str(project / "pkg/a.yaml"): b"there\n",
    }


def test_a_folder_stands_for_files_at_the_same_paths(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "pkg").mkdir()
    (other / "pkg/kept.py").write_text("other = 1\n")
    assert parse(str(other), "", str(project)) == {str(project / "pkg/kept.py"): b"other = 1\n"}


def test_a_file_stands_for_that_of_the_target(project: Path) -> None:
    target = str(project / "pkg/kept.py")
    assert parse("pkg/changed.py", target, str(project)) == {target: b"new = 1\n"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("git:nothing", "knows no revision `nothing`"),
        ("missing", "neither `git:REV`, a folder nor a file"),
        ("empty", "holds no Python file"),
        ("pkg/kept.py", "the target must name the file"),
    ],
)
def test_what_cannot_be_had_is_said(project: Path, text: str, says: str) -> None:
    (project / "empty").mkdir()
    with pytest.raises(OverlayError, match=says):
        parse(text, "", str(project))


def test_where_git_has_no_older_version_another_one_can_be_named(tmp_path: Path) -> None:
    """No repository; no commit; a file that is new, or ignored; one that has another name now."""
    model = tmp_path / "m.py"
    model.write_text("a = 1\nb = 2\nc = 3\n")

    def refused() -> str:
        with pytest.raises(OverlayError, match="--before FILE") as caught:
            parse("git:HEAD", str(model), str(tmp_path))
        return str(caught.value)

    assert "is in no git repository" in refused()
    git(tmp_path, "init", "-q")
    assert "has no commit yet" in refused()
    git(tmp_path, "commit", "-qm", "nothing", "--allow-empty")
    assert "m.py` is not in git at HEAD: name" in refused()
    (tmp_path / ".gitignore").write_text("m.py\n")
    assert "m.py` is not in git at HEAD: name" in refused()
    (tmp_path / ".gitignore").unlink()
    git(tmp_path, "add", "m.py")
    git(tmp_path, "commit", "-qm", "model")
    git(tmp_path, "mv", "m.py", "n.py")
    model = tmp_path / "n.py"
    assert "where it is `m.py`: write that to a file (git show HEAD:m.py > FILE)" in refused()


def test_a_target_in_another_repository_is_looked_up_there(project: Path, tmp_path_factory: Any) -> None:
    found = parse("git:HEAD", str(project / "pkg/changed.py"), str(tmp_path_factory.mktemp("elsewhere")))
    assert found[str(project / "pkg/changed.py")] == b"old = 'changed.py'\n"


def test_a_file_stands_for_that_of_a_module_too(project: Path) -> None:
    target = Target("", "", "pkg.kept", "f")
    found = parse_version("pkg/changed.py", target, ["/nowhere", str(project)][::-1])
    assert found == {str(project / "pkg/kept.py"): b"new = 1\n"}


def test_a_file_of_inputs_is_kept_though_the_other_version_had_none(tmp_path: Path) -> None:
    made, other, old = (str(tmp_path / name) for name in ("inp.py", "m.py", "n.py"))
    whole = {made: None, other: None, old: b"x"}
    for target in (Target("", made, "", "f"), Target("", "", "inp", "f")):
        assert keeping(whole, target, (str(tmp_path),)) == {other: None, old: b"x"}
    assert keeping(whole, Target("", old, "", "f"), ()) == whole
