"""Checkpoints get the keys that a fix has added; the original stays as it is."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from qatlint.runtime.child.checkpoint import convert  # noqa: E402
from qatlint.runtime.child.trouble import Trouble  # noqa: E402

COPIES = {"b.weight": "a.weight"}


def weights() -> dict[str, Any]:
    return {"a.weight": torch.arange(3.0), "c.bias": torch.ones(1)}


@pytest.mark.parametrize(
    ("content", "inside"),
    [
        (weights(), lambda c: c),
        ({"epoch": 3, "state_dict": weights()}, lambda c: c["state_dict"]),
        ({"meta": {}, "ema": {"model": weights()}}, lambda c: c["ema"]["model"]),
    ],
    ids=["plain", "state_dict", "nested"],
)
def test_the_new_key_is_in_the_dict_that_holds_the_old_one(content: Any, inside: Any, tmp_path: Path) -> None:
    old, new = tmp_path / "old.pth", tmp_path / "new.pth"
    torch.save(content, old)
    before = old.read_bytes()
    assert convert(str(old), str(new), COPIES) == {"added": ["b.weight"]}
    converted = torch.load(new, weights_only=True)
    assert set(inside(converted)) == {"a.weight", "b.weight", "c.bias"}
    assert torch.equal(inside(converted)["b.weight"], torch.arange(3.0))
    assert old.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.pth", "old.pth"]


def test_what_trainers_put_before_the_keys_is_kept(tmp_path: Path) -> None:
    torch.save({f"module.{k}": v for k, v in weights().items()}, tmp_path / "old.pth")
    done = convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)
    assert done == {"added": ["module.b.weight"]}


def named(prefix: str) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in weights().items()}


@pytest.mark.parametrize(
    ("content", "added"),
    [
        ({"model": weights(), "ema": weights()}, ["b.weight", "b.weight"]),
        ({**named("student."), **named("teacher.net.")}, ["student.b.weight", "teacher.net.b.weight"]),
        ({"model": named("module."), "ema": weights()}, ["module.b.weight", "b.weight"]),
        ({**weights(), **named("neck.")}, ["b.weight"]),
    ],
    ids=["two dicts", "two models in one", "two prefixes", "a part that has the same names"],
)
def test_every_copy_of_the_model_in_a_file_is_converted(content: Any, added: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "old.pth")
    assert convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES) == {"added": added}


def test_a_prefix_fits_all_keys_or_none(tmp_path: Path) -> None:
    content = {**named("net."), "net.d.weight": torch.ones(2), "head.a.weight": torch.ones(2)}
    torch.save(content, tmp_path / "old.pth")
    copies = {**COPIES, "e.weight": "d.weight"}
    done = convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), copies)
    assert done == {"added": ["net.b.weight", "net.e.weight"]}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "old.pth")
    with pytest.raises(Trouble, match=r"cannot be written: No such file"):
        convert(str(tmp_path / "old.pth"), str(tmp_path / "none/new.pth"), COPIES)


def test_a_second_time_adds_nothing(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "1.pth")
    convert(str(tmp_path / "1.pth"), str(tmp_path / "2.pth"), COPIES)
    assert convert(str(tmp_path / "2.pth"), str(tmp_path / "3.pth"), COPIES)["added"] == []


def test_safetensors_keep_their_metadata(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    from safetensors.torch import load_file, save_file

    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_file(weights(), old, metadata={"format": "pt"})
    convert(str(old), str(new), COPIES)
    assert torch.equal(load_file(new)["b.weight"], torch.arange(3.0))
    with safetensors.safe_open(new, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/qatlint-evil"),))


@pytest.mark.parametrize("content", [{"a.weight": Evil()}, {"other": torch.ones(1)}, [1, 2], "text"])
def test_what_cannot_be_converted_leaves_nothing_behind(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "old.pth")
    with pytest.raises(Trouble):
        convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)
    assert [path.name for path in tmp_path.iterdir()] == ["old.pth"]


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(Trouble, match=r"old\.pth is no file that torch\.save wrote"):
        convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"a.weight": Evil()}, "getattr"),
        ({**weights(), "args": Namespace(lr=1)}, r"argparse\.Namespace"),
        (torch.nn.Linear(1, 1), r"torch\.nn\.modules\.linear\.Linear"),
    ],
    ids=["code", "settings", "a whole model"],
)
def test_objects_are_named_and_nobody_is_told_to_load_them(content: Any, named: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "old.pth")
    with pytest.raises(Trouble, match=f"more than tensors and plain values, such as `.*{named}`") as caught:
        convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("unexpected pos 768")]
)
def test_a_full_disk_is_no_fault_of_ours_and_leaves_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(weights(), tmp_path / "old.pth")

    def full(content: Any, path: str) -> None:
        Path(path).write_bytes(b"the first part")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(Trouble, match=r"new\.pth cannot be written: (No space left|unexpected pos)"):
        convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)
    assert [path.name for path in tmp_path.iterdir()] == ["old.pth"]


def test_tensors_that_share_memory_still_do(tmp_path: Path) -> None:
    tied = torch.arange(6.0)
    torch.save({"a.weight": tied, "tied": tied, "part": tied[2:4]}, tmp_path / "old.pth")
    convert(str(tmp_path / "old.pth"), str(tmp_path / "new.pth"), COPIES)
    converted = torch.load(tmp_path / "new.pth", weights_only=True)
    assert len({value.untyped_storage().data_ptr() for value in converted.values()}) == 1
