"""A run with a cache finds what a run without one finds, looks at few files, and survives any cache."""

from __future__ import annotations

import io
import json
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from qatlint import cachefile, parallel
from qatlint.aim import NOTHING, Aim
from qatlint.cachefile import CacheFile, Entry, Facts, Kept, digest_of, remove
from qatlint.config import Finder, Overrides, cache_folder
from qatlint.examined import Examined, Judged
from qatlint.files import DiskLoader
from qatlint.finding import Finding, Severity
from qatlint.linting import Linter
from qatlint.stored import Garbled, from_lists, to_lists
from tests.fakes import finding
from tests.test_relinting import BASES, HEAD, text_of

FILES = [f"src/{path}" for path in (*BASES, "hub.py", "script.py")]
ELSEWHERE = ["hub.py", "src/hub/__init__.py", "src/base/__init__.py", "sub.py", "src/sub/__init__.py"]
"""Where a file of these names comes before another, is found when that is gone, or makes a package."""
LONG_AGO = 1_000_000_000


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty but for `src`."""
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> None:
    """Always at the same time, so that only the text can tell two versions apart."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (LONG_AGO, LONG_AGO))


def linter(*, cached: bool) -> Linter:
    """One that shows all."""
    finder = Finder(Overrides(min_severity=Severity.NOTE), isolated=True)
    return Linter(finder, None, (lambda _: "cache") if cached else None)


def lint(paths: list[str], *, cached: bool = True) -> list[Finding]:
    """What a new process would find."""
    return linter(cached=cached).check(paths, DiskLoader())


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files of each run that were not in the cache."""
    looks: list[list[str]] = []
    real = parallel.examine

    def examine(paths: list[str], *rest: object) -> Examined:
        looks.append(sorted(paths))
        return real(paths, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(parallel, "examine", examine)
    return looks


@pytest.mark.parametrize("seed", range(15))
def test_what_is_found_is_what_a_run_without_a_cache_finds(seed: int, project: Path) -> None:
    chance = random.Random(seed)
    for path in FILES:
        write(path, text_of(path.partition("/")[2], chance))
    said: set[tuple[str, str]] = set()
    for _ in range(12):
        kind = chance.randrange(5)
        path = chance.choice(FILES)
        if kind == 0 and os.path.exists(path):
            os.unlink(path)
        elif kind == 1:
            other = chance.choice(ELSEWHERE)
            if os.path.exists(other):
                os.unlink(other)
            else:
                write(other, chance.choice([HEAD, text_of(chance.choice([*BASES]), chance)]))
        elif kind < 4:
            write(path, text_of(path.partition("/")[2], chance))
        paths = sorted(str(p) for p in Path().rglob("*.py"))
        if chance.random() < 0.4:
            paths = sorted(chance.sample(paths, chance.randrange(1, len(paths))))
        found = lint(paths)
        assert found == lint(paths, cached=False)
        said.update((f.span.path, f.code) for f in found)
    assert len(said) > 2


def many(**changes: str) -> list[str]:
    """One version of all files, with some replaced."""
    plain = random.Random(1)
    for path in FILES:
        name = path.partition("/")[2]
        text = "y = 2\n" if name == "script.py" else text_of(name, plain)
        write(path, changes.get(name.removesuffix(".py"), text))
    return FILES


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({}, []),
        ({"own": "x = 1\n"}, ["own"]),
        ({"far": "x = 1\n"}, ["base", "far", "sub"]),
        ({"sub": "x = 1\n"}, ["base", "far", "hub", "sub", "user"]),
        ({"script": "x = 1\n"}, ["script"]),
    ],
)
def test_only_what_a_change_can_affect_is_looked_at(
    change: dict[str, str], affected: list[str], project: Path, looked: list[list[str]]
) -> None:
    lint(many())
    lint(many(**change))
    assert looked[1:] == ([[f"src/{name}.py" for name in affected]] if affected else [])


def test_what_is_not_linted_but_imported_counts(project: Path, looked: list[list[str]]) -> None:
    model = "from torch import nn\nfrom lib.act import make\n\nclass A(nn.Module):\n"
    model += "    def __init__(self):\n        super().__init__()\n        self.a = make()\n"
    model += "    def forward(self, x):\n        return self.a(self.a(x))\n"
    write("src/a.py", model)
    write("lib/act.py", "from torch import nn\ndef make():\n    return nn.Sigmoid()\n")
    first = lint(["src/a.py"])
    assert lint(["src/a.py"]) == first
    assert len(looked) == 1
    write("lib/act.py", "from torch import nn\ndef make():\n    return nn.Dropout()\n")
    assert [f.severity for f in lint(["src/a.py"])] != [f.severity for f in first]
    assert len(looked) == 2


def test_a_file_that_others_import_and_that_is_new_is_not_trusted(
    project: Path, looked: list[list[str]]
) -> None:
    write("src/a.py", "import lib.b\nfrom torch import nn\nclass A(lib.b.B): ...\n")
    write("lib/b.py", "from torch import nn\nclass B(nn.Module): ...\n")
    os.utime("lib/b.py")  # it may be written to while we read it
    lint(["src/a.py"])
    lint(["src/a.py"])
    assert looked == [["src/a.py"], ["src/a.py"]]


def test_an_unreadable_file_is_looked_at_each_time(project: Path, looked: list[list[str]]) -> None:
    write("src/a.py", "x = 1\n")
    for _ in range(2):
        assert [f.code for f in lint(["src/a.py", "src/gone.py"])] == ["QAT000"]
    assert looked == [["src/a.py", "src/gone.py"], ["src/gone.py"]]


def test_a_file_with_a_syntax_error_is_remembered(project: Path, looked: list[list[str]]) -> None:
    write("src/a.py", "def f(:\n")
    first = lint(["src/a.py"])
    assert [f.code for f in first] == ["QAT000"]
    assert lint(["src/a.py"]) == first
    assert len(looked) == 1


def cache_path() -> Path:
    """The one file of the cache."""
    (path,) = Path("cache").glob("*.json")
    return path


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def signed(body: bytes) -> bytes:
    """A cache with the right sum."""
    return cachefile._HEAD + digest_of(body).encode() + b"\n" + body


BODIES: list[object] = [
    [],
    {},
    None,
    [1, 2, 3],
    [{}, {"src/base.py": [1]}, ""],
    [{"src/base.py": ["", [], {}, []]}, {}, ""],
    [{"src/base.py": 5}, {}, ""],
]


def _with_body(data: bytes, body: object) -> bytes:
    return signed(json.dumps(body).encode())


def stored_wrong(data: bytes) -> bytes:
    """All facts right, and findings that nobody wrote."""
    files, entries, linted = json.loads(data.partition(b"\n")[2])
    for entry in entries.values():
        entry[1] = [[["Finding", 1], True]]
    return signed(json.dumps([files, entries, linted]).encode())


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flipped,
        stored_wrong,
        lambda data: b"",
        lambda data: b"\xff\xfe\x00",
        lambda data: data.replace(b"\n", b"", 1),
        lambda data: signed(b"\xff"),
        lambda data: signed(b"[" * 100_000),
        *(partial(_with_body, body=body) for body in BODIES),
    ],
)
def test_a_damaged_cache_is_made_anew(damage: Callable[[bytes], bytes], project: Path) -> None:
    first = lint(many())
    whole = cache_path().read_bytes()
    cache_path().write_bytes(damage(whole))
    again = linter(cached=True)
    assert again.check(FILES, DiskLoader()) == first
    assert again.damaged == ["cache"]
    assert json.loads(cache_path().read_bytes().partition(b"\n")[2]) == json.loads(whole.partition(b"\n")[2])


def test_a_cache_cut_anywhere_gives_the_same_findings(project: Path) -> None:
    first = lint(many())
    whole = cache_path().read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        cache_path().write_bytes(whole[:length])
        assert lint(FILES) == first


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_nobody_may_write_to_is_no_trouble(project: Path) -> None:
    Path("cache").mkdir(mode=0o500)
    assert lint(many()) == lint(FILES)
    assert list(Path("cache").iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_no_trouble(project: Path) -> None:
    Path("cache").write_text("mine")
    assert lint(many()) == lint(FILES)
    assert Path("cache").read_text() == "mine"


def test_a_full_disk_leaves_the_old_cache(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lint(many())
    before = cache_path().read_bytes()

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    found = lint(many(own="x = 1\n"))
    monkeypatch.undo()
    os.chdir(project)
    assert found == lint(FILES, cached=False)
    assert [p.name for p in Path("cache").iterdir() if p.name.startswith(".qatlint-new")] == []
    assert cache_path().read_bytes() == before


def test_runs_side_by_side(project: Path) -> None:
    right = lint(many(), cached=False)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: lint(FILES), range(12))) == [right] * 12
    assert lint(FILES) == right


def test_another_folder_other_rules_and_other_roots_are_another_kind_of_run(project: Path) -> None:
    kinds = [CacheFile("cache", ["QAT101"], NOTHING), CacheFile("cache", ["QAT102"], NOTHING)]
    kinds.append(CacheFile("cache", ["QAT101"], Aim(("lib",))))
    os.chdir("src")
    kinds.append(CacheFile("cache", ["QAT101"], NOTHING))
    assert len({kind._path for kind in kinds}) == 4


def test_old_kinds_of_runs_are_removed(project: Path) -> None:
    for number in range(30):
        CacheFile("cache", [str(number)], NOTHING).save(Kept({}, {}))
    assert len(list(Path("cache").glob("*.json"))) == 16


def test_only_what_is_ours_is_removed(project: Path) -> None:
    lint(many())
    Path("cache/.qatlint-new-abc").write_text("half")
    Path("cache/data.json").write_text("{}")
    assert remove("cache") == 2
    assert [p.name for p in Path("cache").iterdir()] == ["data.json"]
    Path("cache/.gitignore").write_text("data.json\n")
    assert remove("cache") == 0
    assert sorted(p.name for p in Path("cache").iterdir()) == [".gitignore", "data.json"]
    assert remove("nowhere") == 0


def test_nothing_is_left_of_a_folder_that_is_removed(project: Path) -> None:
    lint(many())
    assert remove("cache") == 1
    assert not Path("cache").exists()


def test_the_folder_says_what_it_is(project: Path) -> None:
    lint(many())
    assert Path("cache/.gitignore").read_text() == "*\n"
    assert Path("cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_a_cache_comes_back_as_it_was(project: Path) -> None:
    facts = Facts("aa", ("pkg.a", "src", False), {"torch": "", "pkg.b": "src/pkg/b\udcff.py"}, ["base:A"])
    kept = Kept(
        {"a\udcff.py": facts}, {"a\udcff.py": Entry({"base:A": "dd"}, [to_lists(judged())], {"torch.foo": 2})}
    )
    file = CacheFile("cache", [], NOTHING)
    file.save(kept)
    assert file.load() == kept
    assert not file.damaged


def judged() -> Judged:
    return Judged(finding(), True)


@pytest.mark.parametrize(
    "stored", [None, 3, [], [1, 2], ["Finding"], [["Finding"], True], [["Span", 1], True]]
)
def test_lists_that_are_no_finding(stored: object) -> None:
    with pytest.raises(Garbled):
        from_lists(stored)


def test_findings_of_all_fixtures_come_back_as_they_were() -> None:
    root = Path(__file__).resolve().parents[1] / "fixtures"
    paths = sorted(str(path) for path in root.rglob("*.py"))
    examined = parallel.examine(
        paths[:40], paths[:40], DiskLoader(), linter(cached=False).groups(paths)[0].rules
    )
    all_judged = [one for found in examined.judged.values() for one in found]
    assert len(all_judged) > 20
    assert any(one.finding.fix for one in all_judged)
    assert [from_lists(json.loads(json.dumps(to_lists(one)))) for one in all_judged] == all_judged


@pytest.mark.parametrize(
    ("variable", "table", "folder"),
    [
        ("", "", ".qatlint_cache"),
        ("/elsewhere", "", "/elsewhere"),
        ("", 'cache-dir = "build/x"\n', "build/x"),
        ("/elsewhere", 'cache-dir = "build/x"\n', "/elsewhere"),
    ],
)
def test_where_the_cache_is(
    variable: str, table: str, folder: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QATLINT_CACHE_DIR", variable)
    write("qatlint.toml", table or "select = []\n")
    settings = Finder(Overrides()).for_file("src/a.py")
    assert cache_folder(settings) == os.path.join(str(project), folder)


class Half(io.FileIO):
    """A file that is written to half, and then its process is killed."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        super().write(data[: len(data) // 2])
        die()
        return 0


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def replaced(source: str, target: str) -> None:
    os.rename(source, target)
    die()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("where", "name", "instead", "seen_next"),
    [
        (cachefile, "open", Half, True),
        (os, "replace", die, True),
        (os, "replace", replaced, False),
    ],
    ids=["half written", "not in its place", "in its place"],
)
def test_a_killed_run_leaves_a_cache_that_can_be_used(
    where: object, name: str, instead: object, seen_next: bool, project: Path, looked: list[list[str]]
) -> None:
    lint(many())
    right = lint(many(own="x = 1\n"), cached=False)
    child = os.fork()
    if child == 0:
        setattr(where, name, instead)
        try:
            lint(FILES)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    del looked[:]
    again = linter(cached=True)
    assert again.check(FILES, DiskLoader()) == right
    assert looked == ([["src/own.py"]] if seen_next else [])
    assert not again.damaged
    assert remove("cache") > 0
    assert not Path("cache").exists()


STUBBED = """
from torch import nn
from torch.quantization import DeQuantStub, QuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        return self.dequant(self.out(self.quant(x)).sigmoid())
"""


def test_the_first_import_of_the_plugin_counts_and_later_changes_do_not(
    project: Path, looked: list[list[str]]
) -> None:
    paths = ["src/head.py", "src/tool.py"]
    write("src/head.py", STUBBED)
    write("src/tool.py", "x = 1\n")
    assert lint(paths) == []
    write("src/tool.py", "import horizon_plugin_pytorch\n")
    found = lint(paths)
    assert [f.code for f in found] == ["QAT401"]
    write("src/tool.py", "import horizon_plugin_pytorch\nx = 2\n")
    assert lint(paths) == found
    write("src/tool.py", "x = 2\n")
    assert lint(paths) == []
    assert looked == [paths, paths, ["src/tool.py"], paths]


def test_another_script_that_prepares_the_model_is_seen(project: Path) -> None:
    write("src/head.py", STUBBED)
    write("src/tool.py", "import horizon_plugin_pytorch\n")
    for script in (
        "from horizon_plugin_pytorch.quantization import prepare\nfrom head import Head\nprepare(Head(), 1)\n",
        "import horizon_plugin_pytorch\n",
    ):
        write("src/tool.py", script)
        paths = ["src/head.py", "src/tool.py"]
        assert lint(paths) == lint(paths, cached=False)


def test_unknown_ops_are_counted_with_a_cache_as_without(project: Path) -> None:
    write(
        "src/head.py",
        "import horizon_plugin_pytorch\nimport torch\n" + STUBBED.replace("sigmoid()", "strange()"),
    )
    counts = []
    for cached in (True, True, False):
        run = linter(cached=cached)
        run.check(["src/head.py"], DiskLoader())
        counts.append(dict(run.unknown))
    assert counts == [{".strange()": 1}] * 3
