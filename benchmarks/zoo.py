"""Real models to run: how to build the models of a library, and small inputs for them. Needs torch.

Every function `<library>_models()` yields recipes; nothing is built before `Recipe.build` is called.
All weights are random, nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Arguments for one forward."""

    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model: `build()` makes it (in eval mode) with inputs to try, in order, until one runs."""

    name: str
    build: Callable[[], tuple[Any, list[Inputs]]]


def images(size: int, batch: int = 1, channels: int = 3) -> Inputs:
    """One batch of random square images."""
    return Inputs((torch.randn(batch, channels, size, size),))


def torchvision_models(largest: float = 140e6) -> Iterator[Recipe]:
    """Every registered torchvision model with at most `largest` parameters."""
    models: Any = import_module("torchvision.models")
    for name in models.list_models():
        family = models.get_model_builder(name).__module__
        options: dict[str, Any] = {"weights": None}
        if ".detection" in family or ".segmentation" in family:
            options["weights_backbone"] = None
        size = max(weights.meta["num_params"] for weights in models.get_model_weights(name))
        if size <= largest:
            yield Recipe(name, _torchvision_recipe(models, name, family, options))


def _torchvision_recipe(
    models: Any, name: str, family: str, options: dict[str, Any]
) -> Callable[[], tuple[Any, list[Inputs]]]:
    def build() -> tuple[Any, list[Inputs]]:
        return models.get_model(name, **options).eval(), [_torchvision_inputs(name, family)]

    return build


def _torchvision_inputs(name: str, family: str) -> Inputs:
    if ".detection" in family:
        return Inputs(([torch.rand(3, 256, 256)],))
    if ".optical_flow" in family:
        return Inputs((torch.randn(1, 3, 128, 128), torch.randn(1, 3, 128, 128)))
    if ".video" in family:
        side = 112 if "resnet" in family else 224
        return Inputs((torch.randn(1, 3, 16, side, side),))
    return images(299 if name.startswith("inception") else 224)


def refuse_large(make: Callable[[], Any], largest: float) -> None:
    """Raise ValueError when the model has more parameters than `largest`; found out without memory."""
    with torch.device("meta"):
        try:
            size = sum(p.numel() for p in make().parameters())
        except (RuntimeError, NotImplementedError):  # reads a tensor while it is built
            return
    if size > largest:
        raise ValueError(f"{size / 1e6:.0f} million parameters")


# Words in timm's names that tell a small variant from a large one; the lower, the smaller.
_SIZES = ("test", "zepto", "atto", "femto", "pico", "nano", "xxxs", "xxs", "xs", "xt", "tiny", "mini", "lite")
_LARGE = re.compile(
    r"large|huge|giant|gigantic|xlarge|enormous|so400m|so150m|_[lhg]\d*_|_[lhg]$|_xx?l|384|448|512"
)


def timm_models() -> Iterator[Recipe]:
    """timm's models, module by module in turns: first the smallest of each module, then another family."""
    timm: Any = import_module("timm")
    by_module: dict[str, list[str]] = {}
    for name in timm.list_models():
        by_module.setdefault(timm.models.model_entrypoint(name).__module__, []).append(name)
    queues = [_by_family(names) for _, names in sorted(by_module.items())]
    for turn in range(max(len(q) for q in queues)):
        for queue in queues:
            if turn < len(queue):
                yield Recipe(queue[turn], _timm_recipe(timm, queue[turn]))


def _by_family(names: list[str]) -> list[str]:
    """Small names first, and no second name of a family before the first of each."""

    def cost(name: str) -> tuple[bool, int, int, str]:
        size = next((i for i, word in enumerate(_SIZES) if word in name), len(_SIZES))
        numbers = [int(n) for n in re.findall(r"\d+", name.split("_patch")[0])]
        return (bool(_LARGE.search(name)), size, max(numbers, default=0), name)

    seen: dict[str, int] = {}
    turns: list[tuple[int, tuple[bool, int, int, str], str]] = []
    for name in sorted(names, key=cost):
        start = re.match(r"[a-z]+", name)
        family = start.group() if start else name
        seen[family] = seen.get(family, -1) + 1
        turns.append((seen[family], cost(name), name))
    return [name for _, _, name in sorted(turns)]


def _timm_recipe(timm: Any, name: str) -> Callable[[], tuple[Any, list[Inputs]]]:
    def build() -> tuple[Any, list[Inputs]]:
        refuse_large(lambda: timm.create_model(name), 420e6)
        model = timm.create_model(name).eval()
        config = model.default_cfg
        channels, side, _ = config.get("input_size", (3, 224, 224))
        sides = [side] if config.get("fixed_input_size") or side < 160 else [128, side]
        return model, [images(s, channels=channels) for s in sides]

    return build


# What makes a transformers model small, by the name of the configuration field.
_SHRINK: dict[str, int] = {
    "vocab_size": 128,
    "hidden_size": 32,
    "d_model": 32,
    "n_embd": 32,
    "dim": 32,
    "embed_dim": 32,
    "encoder_hidden_size": 32,
    "decoder_hidden_size": 32,
    "embedding_size": 32,
    "intermediate_size": 64,
    "ffn_dim": 64,
    "d_ff": 64,
    "d_kv": 8,
    "head_dim": 8,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "depth": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 128,
    "image_size": 64,
    "shared_expert_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 32,
    "expert_ffn_hidden_size": 32,
    "ffn_hidden_size": 64,
    "mlp_dim": 64,
    "inner_dim": 64,
    "num_encoder_layers": 2,
    "encoder_num_layers": 2,
    "decoder_num_layers": 2,
    "num_codebooks": 4,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "projection_dim": 32,
}


def transformers_models() -> Iterator[Recipe]:
    """One base model for every model type of transformers, as small as its configuration allows.

    First with the fields named in `_SHRINK` made small, then (a second recipe for the same type, which
    the caller skips once one ran) only with fewer layers and words, for configurations that do not
    agree with the small widths.
    """
    auto: Any = import_module("transformers.models.auto.modeling_auto")
    for kind in sorted(auto.MODEL_MAPPING_NAMES):
        for how in ("small", "short"):
            yield Recipe(kind, _transformers_recipe(kind, how))


def _transformers_recipe(kind: str, how: str) -> Callable[[], tuple[Any, list[Inputs]]]:
    fields = _SHRINK if how == "small" else {k: v for k, v in _SHRINK.items() if "layer" in k or "vocab" in k}

    def build() -> tuple[Any, list[Inputs]]:
        transformers: Any = import_module("transformers")
        config = transformers.CONFIG_MAPPING[kind]()
        _shrink(config, fields, depth=0)
        refuse_large(lambda: transformers.AutoModel.from_config(config), 150e6)
        model = transformers.AutoModel.from_config(config).eval()
        return model, _transformers_inputs(model, config)

    return build


def _shrink(config: Any, fields: dict[str, int], depth: int) -> None:
    """Make a configuration and the ones inside it small, where a field is a plain larger number."""
    for name, value in list(vars(config).items()):
        if hasattr(value, "to_dict") and depth < 3:
            _shrink(value, fields, depth + 1)
            continue
        small = fields.get(name)
        if small is None or not isinstance(value, int) or isinstance(value, bool) or value <= small:
            continue
        if name == "num_key_value_heads" and value == getattr(config, "num_attention_heads", None):
            continue
        setattr(config, name, small)
    words = fields.get("vocab_size", 0)
    for name, value in list(vars(config).items()):
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int) and value >= words:
            setattr(config, name, 3)
    for name in ("layer_types", "mlp_layer_types"):
        kinds = getattr(config, name, None)
        count = getattr(config, "num_hidden_layers", None)
        if isinstance(kinds, list) and isinstance(count, int) and len(kinds) > count:
            setattr(config, name, _varied(kinds, count))


def _varied(kinds: list[Any], count: int) -> list[Any]:
    """`count` layer kinds that show as many different ones as possible."""
    different = list(dict.fromkeys(kinds))
    return (different + kinds)[:count]


_EXTRAS = ((), ("decoder_input_ids",), ("input_ids",), ("pixel_values",), ("input_ids", "pixel_values"))
"""Inputs that a signature calls optional and a model may want all the same, in several combinations."""


def _transformers_inputs(model: Any, config: Any) -> list[Inputs]:
    """Guesses at what a model may want: words, images, sound, and several of these together."""
    inner = [config, *(c for c in vars(config).values() if hasattr(c, "to_dict"))]

    def number(*names: str, default: int) -> int:
        for part in inner:
            for name in names:
                value = getattr(part, name, None)
                if isinstance(value, (list, tuple)) and value and isinstance(value[0], int):
                    value = value[0]
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        return default

    side = number("image_size", default=64)
    channels = number("num_channels", "in_channels", "in_chans", default=3)
    words = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12]])
    pixels = torch.randn(1, channels, side, side)
    frames = torch.randn(1, number("num_frames", default=8), channels, side, side)
    bands = number("num_mel_bins", "feature_size", "input_feat_per_channel", default=80)
    length = number("max_length", default=2 * number("max_source_positions", default=64))
    bands_first = torch.randn(1, bands, length)
    bands_last = torch.randn(1, length, bands)
    width = number("hidden_size", "d_model", default=32)
    common = {
        "input_ids": words,
        "decoder_input_ids": words,
        "attention_mask": torch.ones_like(words),
        "bbox": torch.zeros(1, 8, 4, dtype=torch.long),
        "query_embeds": torch.randn(1, 8, width),
        "hidden_states": torch.randn(1, 8, width),
        "inputs_embeds": torch.randn(1, 8, width),
    }
    values: list[dict[str, Any]] = [
        {"pixel_values": pixels, "input_features": bands_first, "input_values": torch.randn(1, 16000)},
        {"pixel_values": pixels, "input_features": bands_last, "input_values": torch.randn(1, 1, 16000)},
        {"pixel_values": torch.randn(1, channels, 224, 224), "input_values": bands_last},
        {"pixel_values": frames, "pixel_values_videos": frames, "input_values": bands_first},
    ]
    wanted = inspect.signature(model.forward).parameters
    required = {n for n, p in wanted.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    choices: list[dict[str, Any]] = []
    for value in values:
        pool = common | value
        main = model.main_input_name if model.main_input_name in pool else "input_ids"
        base = {n: pool[n] for n in pool if n in required or n == main}
        choices.extend(base | {n: pool[n] for n in extra if n in wanted and n in pool} for extra in _EXTRAS)
    with contextlib.suppress(Exception):  # a property that some models do not support
        choices.insert(0, model.dummy_inputs)
    return [Inputs(kwargs=tuple(choice.items())) for choice in choices if choice]


def ultralytics_models() -> Iterator[Recipe]:
    """The smallest variant of every model file that ultralytics ships."""
    package: Any = import_module("ultralytics")
    from pathlib import Path

    folder = Path(package.__file__).parent / "cfg" / "models"
    for file in sorted(folder.rglob("*.yaml")):
        yield Recipe(file.stem, _ultralytics_recipe(file.name))


def _ultralytics_recipe(file: str) -> Callable[[], tuple[Any, list[Inputs]]]:
    def build() -> tuple[Any, list[Inputs]]:
        tasks: Any = import_module("ultralytics.nn.tasks")
        task = tasks.guess_model_task(tasks.yaml_model_load(file))
        kinds = {
            "detect": tasks.DetectionModel,
            "segment": tasks.SegmentationModel,
            "classify": tasks.ClassificationModel,
            "pose": tasks.PoseModel,
            "obb": tasks.OBBModel,
        }
        kind = tasks.RTDETRDetectionModel if "rtdetr" in file else kinds[task]
        if "world" in file or "yoloe" in file:
            raise ValueError("needs a text encoder")
        return kind(file, verbose=False).eval(), [images(128)]

    return build


LIBRARIES: dict[str, Callable[[], Iterator[Recipe]]] = {
    "torchvision": torchvision_models,
    "timm": timm_models,
    "transformers": transformers_models,
    "ultralytics": ultralytics_models,
}
