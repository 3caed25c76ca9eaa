from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from qatlint.config import Finder, Overrides
from qatlint.files import DiskLoader, discover, named_from, repository_of, write_atomic
from qatlint.loader import OverlayLoader
from tests import fakes


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("x = 1\n")


def found(*paths: str) -> list[str]:
    return discover(paths, Finder(Overrides()).for_folder).files


def test_a_folder_gives_its_python_files_in_a_fixed_order() -> None:
    make("src/b.py", "src/a.py", "src/a/z.py", "src/note.txt", "src/stub.pyi", "c.py")
    assert found("src") == ["src/a.py", "src/b.py", "src/a/z.py"]
    assert found(".") == ["c.py", "src/a.py", "src/b.py", "src/a/z.py"]


def test_paths_stay_as_given() -> None:
    make("src/a.py")
    assert found("./src//a.py") == ["src/a.py"]
    assert found(str(Path("src").absolute())) == [str(Path("src/a.py").absolute())]


def test_named_files_are_taken_whatever_they_are_called_and_only_once() -> None:
    make("script", "venv/a.py", "b.py")
    assert found("script", "venv/a.py", "b.py", ".", "./b.py") == ["script", "venv/a.py", "b.py"]


def test_a_missing_path_does_not_keep_the_others_from_being_found() -> None:
    make("a.py")
    result = discover(["gone", "a.py"], Finder(Overrides()).for_folder)
    assert (result.missing, result.files) == (["gone"], ["a.py"])


def test_environments_and_build_folders_are_not_entered_unless_named() -> None:
    make("a.py", ".venv/b.py", "build/c.py", "x/site-packages/d.py", "x/__pycache__/e.py")
    assert found(".") == ["a.py"]
    assert found("x/site-packages") == ["x/site-packages/d.py"]


def test_exclude_replaces_the_defaults_and_extend_exclude_adds() -> None:
    make("a.py", "build/b.py", "old/c.py", "gen/x_pb2.py", "gen/y.py")
    Path("qatlint.toml").write_text('exclude = ["old/"]\nextend-exclude = ["*_pb2.py"]\n')
    assert found(".") == ["a.py", "build/b.py", "gen/y.py"]
    assert found("old/c.py") == ["old/c.py"]


def test_excludes_are_relative_to_their_file() -> None:
    make("one/skip/a.py", "two/skip/a.py")
    Path("one/qatlint.toml").write_text('extend-exclude = ["/skip"]\n')
    assert found(".") == ["two/skip/a.py"]


def test_gitignore_files_of_all_levels_are_respected_in_a_repository() -> None:
    make("a.py", "out/b.py", "pkg/keep.py", "pkg/drop.py", "pkg/deep/drop.py", "pkg/deep/local.py", "top.py")
    Path(".git/info").mkdir(parents=True)
    Path(".git/info/exclude").write_text("top.py\n")
    Path(".gitignore").write_text("# comment\nout/\n/a.py\n")
    Path("pkg/.gitignore").write_text("drop.py\n")
    Path("pkg/deep/.gitignore").write_text("!drop.py\nlocal.py\n")
    assert found(".") == ["pkg/keep.py", "pkg/deep/drop.py"]
    assert found("pkg") == ["pkg/keep.py", "pkg/deep/drop.py"]
    assert found("a.py") == ["a.py"]


def test_gitignore_means_nothing_outside_a_repository() -> None:
    make("a.py")
    Path(".gitignore").write_text("a.py\n")
    assert found(".") == ["a.py"]


def test_a_named_folder_is_linted_even_if_git_ignores_it() -> None:
    make("out/a.py", "out/b.py", "out/sub/c.py")
    Path(".git").mkdir()
    Path(".gitignore").write_text("out/\n")
    Path("out/.gitignore").write_text("b.py\n")
    assert found("out") == ["out/a.py", "out/sub/c.py"]
    assert found("out/sub") == ["out/sub/c.py"]
    assert found(".") == []


def test_links_make_no_loops_and_no_doubles() -> None:
    make("pkg/a.py", "elsewhere/b.txt")
    os.symlink("..", "pkg/up")
    os.symlink("a.py", "pkg/alias.py")
    os.symlink("../elsewhere/b.txt", "pkg/other.py")
    os.symlink("gone.py", "pkg/dangling.py")
    assert found("pkg") == ["pkg/a.py", "pkg/other.py"]
    assert found("pkg/up/pkg") == ["pkg/up/pkg/a.py", "pkg/up/pkg/other.py"]
    assert found("pkg/alias.py") == ["pkg/alias.py"]


def test_writing_keeps_mode_and_links_and_leaves_nothing_behind() -> None:
    make("real/a.py")
    os.chmod("real/a.py", 0o750)
    os.symlink("real/a.py", "link.py")
    write_atomic("link.py", Path("link.py").read_bytes(), b"y = 2\n")
    assert Path("real/a.py").read_bytes() == b"y = 2\n"
    assert os.path.islink("link.py")
    assert stat.S_IMODE(os.stat("real/a.py").st_mode) == 0o750
    assert os.listdir("real") == ["a.py"]


def test_a_write_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.py")

    def refuse(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomic("a.py", b"x = 1\n", b"half")
    assert Path("a.py").read_text() == "x = 1\n"
    assert os.listdir(".") == ["a.py"]


def test_a_read_only_file_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.py")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # Root may write everything.
    with pytest.raises(PermissionError, match="read-only"):
        write_atomic("a.py", b"x = 1\n", b"y\n")
    assert Path("a.py").read_text() == "x = 1\n"


def test_an_overlay_stands_before_the_disk() -> None:
    make("a.py", "b.py")
    loader = OverlayLoader({"a.py": b"new", "c.py": b""}, DiskLoader())
    assert (loader.read("a.py"), loader.read("b.py"), loader.read("c.py")) == (b"new", b"x = 1\n", b"")
    assert (loader.exists("c.py"), loader.exists("b.py"), loader.exists("d.py")) == (True, True, False)
    with pytest.raises(FileNotFoundError):
        loader.read("d.py")


def test_a_file_is_named_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "repo/pkg").mkdir(parents=True)
    (tmp_path / "repo/pkg/a.py").touch()
    (tmp_path / "other.py").touch()
    (tmp_path / "repo/link.py").symlink_to(tmp_path / "other.py")
    (tmp_path / "linked").symlink_to(tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "linked/pkg")
    root = str(tmp_path / "repo")
    assert named_from(root, "a.py") == named_from(str(tmp_path / "linked"), "a.py") == "pkg/a.py"
    assert named_from(root, "../link.py") == "link.py"
    assert named_from(root, str(tmp_path / "other.py")) == str(tmp_path / "other.py")
    assert named_from(root, "-") == "-"


def test_the_repository_is_found_from_inside(tmp_path: Path) -> None:
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/pkg").mkdir()
    assert (
        repository_of(str(tmp_path / "repo/pkg"))
        == repository_of(str(tmp_path / "repo"))
        == str(tmp_path / "repo")
    )
    assert repository_of(str(tmp_path)) is None
