"""Other versions of a project, as the files that differ."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qatlint.runtime.overlay import OverlayError, keeping, parse
from qatlint.runtime.target import Target


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


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


def test_outside_of_a_repository_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match="git says"):
        parse("git:HEAD", "", str(tmp_path))


def test_a_file_of_inputs_is_kept_though_the_other_version_had_none(tmp_path: Path) -> None:
    made, other, old = (str(tmp_path / name) for name in ("inp.py", "m.py", "n.py"))
    whole = {made: None, other: None, old: b"x"}
    for target in (Target("", made, "", "f"), Target("", "", "inp", "f")):
        assert keeping(whole, target, (str(tmp_path),)) == {other: None, old: b"x"}
    assert keeping(whole, Target("", old, "", "f"), ()) == whole
