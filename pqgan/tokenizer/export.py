"""A tokenizer to hand on, without what only further training needs: `pqgan export`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file
from torch import Tensor, nn

from pqgan.errors import SettingsError
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import read_object
from pqgan.storage.manifest import sha256
from pqgan.storage.outputs import check_folder, new_result

from . import hub_upload
from .hub_files import CLASS, with_auto_map, write_module_file
from .load import load_model, wrap
from .model_card import PICTURES, Subject, card
from .onnx_names import ABOUT
from .records_of import measured_of
from .selected import TRAINING
from .side_by_side import picture_of, read_images

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
EXACT = ("quantiser.", "quantize.", "linear.")
"""Codebooks and a linear path, of our models and of diffusers': small, and rounded they would move codes. They stay in
float32.
"""
PROVENANCE, CARD = "provenance.json", "README.md"
KIND = "export"
OWN_LICENCE = "mit"
"""Of what this package trained, unless another is asked for."""


def export(
    *,
    model: Path,
    out: Path,
    dtype: str = "bf16",
    metrics: Sequence[Path] = (),
    pictures: Path | None = None,
    licence: str | None = None,
    onnx: bool = False,
    hub: str | None = None,
    public: bool = False,
    dry_run: bool = False,
) -> None:
    """Write config.json, the weights in a dtype, a model card, where they come from, and the sha256 of each.

    The folder opens with `from_pretrained`, with diffusers' AutoModel, and with every `--model`; networks compute in
    float32 whatever is stored.

    Args:
        model: folder of a trained tokenizer, ours or diffusers'.
        out: folder to make, or an earlier export to replace.
        dtype: one of DTYPES, of all but EXACT; a trunk in half of the bits moves some codes, which `pqgan evaluate`
            shows.
        metrics: metrics.json files of evaluations of this model, for the card.
        pictures: folder of photographs, some of which the card shows beside their reconstructions.
        licence: identifier as the hub has it; None: MIT if this package trained the model.
        onnx: whether to write encoder.onnx and decoder.onnx as well.
        hub: OWNER/NAME to upload to.
        public: whether a repository that is made can be seen by everybody.
        dry_run: list what would be uploaded; no network is used.

    Raises:
        SettingsError: options that do not fit each other; a weight that the dtype does not hold; `out` is there and
            no earlier export, or not as it was written; the repository holds something else.
        DataError: `model` holds no tokenizer, a metrics.json is not of this model, or no photographs.
        NumericalError: onnxruntime does not do what the model does.
        ResourceError: offline, the hub refuses, or a package of the extra `onnx` is missing.
    """
    if hub is None and (public or dry_run):
        raise SettingsError(f"--{'public' if public else 'dry-run'}: belongs to --hub OWNER/NAME; give both or none")
    if hub is not None:
        hub_upload.check(hub, dry_run)
    check_folder(out, KIND, apart={"--model": model, "--pictures": pictures})
    network = load_model(model).eval().requires_grad_(False)
    # a selection says beside its own provenance where the weights come from
    told = next((file for name in (TRAINING, PROVENANCE) if (file := model / name).is_file()), None)
    made = read_object(told, "where the model comes from") if told else None
    licence = licence or (OWN_LICENCE if _is_trained_here(made) else None)
    if hub is not None and licence is None:
        raise SettingsError(
            f"--licence: {model} does not say that pqgan trained it; give that of its weights, as the hub names it"
        )
    if onnx:
        from . import onnx_files  # torch's exporter is slow to import, and in part no public one

        onnx_files.check(network)
    stored = _rounded(network, dtype)
    rounded_to = "" if _is_as_before(network, stored) else dtype
    seen = read_images(pictures) if pictures else None
    if seen is not None or onnx:
        network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})  # what is handed on
    tokenizer = wrap(network)
    with new_result(out, KIND) as folder:
        # not save_pretrained, which writes down where the model was loaded from
        save_file(stored, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
        digest = sha256(folder / SAFETENSORS_WEIGHTS_NAME)
        records = measured_of(metrics, model, digest, rounded_to)
        config = _write_config(model, folder)
        if told is not None:
            shutil.copyfile(told, folder / PROVENANCE)
        if seen is not None:
            picture_of(tokenizer, seen.images).save(folder / PICTURES, quality=92, subsampling=0)
        if onnx:
            print(onnx_files.write(network, folder, seen and seen.images), flush=True)
        subject = Subject(
            name=(hub or out.resolve().name).rpartition("/")[2],
            config=config,
            about=tokenizer.subject(),
            dtype=dtype,
            weights={SAFETENSORS_WEIGHTS_NAME: digest},
            provenance=made,
            licence=licence,
            place=hub or out.resolve().name,
            measured=records,
            pictures=seen.told if seen else "",
            onnx=read_object(folder / ABOUT, "what was exported") if onnx else None,
        )
        write_text(folder / CARD, card(subject))
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {type(network).__name__} in {dtype}, {size / 1e6:.1f} MB", flush=True)
    if hub is not None:
        print(hub_upload.listing(out, hub) if dry_run else hub_upload.upload(out, hub, public=public), flush=True)


def _is_trained_here(made: dict | None) -> bool:
    job = (made or {}).get("job")
    return isinstance(job, dict) and job.get("chapter") in ("tokenizer", "finetune")


def _rounded(network: nn.Module, dtype: str) -> dict[str, Tensor]:
    stored = {
        name: tensor.to(torch.float32 if name.startswith(EXACT) else DTYPES[dtype]).contiguous()
        for name, tensor in network.state_dict().items()
    }
    for name, tensor in network.state_dict().items():
        if (lost := tensor.isfinite() & ~stored[name].isfinite()).any():
            raise SettingsError(
                f"--dtype {dtype}: {name} holds {float(tensor[lost][0]):g}, which {dtype} ends before "
                f"({torch.finfo(DTYPES[dtype]).max:g}); give {'bf16 or ' if dtype == 'fp16' else ''}fp32"
            )
    return stored


def _is_as_before(network: nn.Module, stored: dict[str, Tensor]) -> bool:
    return all(torch.equal(stored[name].float(), tensor.float()) for name, tensor in network.state_dict().items())


def _write_config(model: Path, folder: Path) -> dict:
    config = read_object(model / CONFIG_NAME, "the configuration of a tokenizer")
    if config.get("_class_name") != CLASS:
        shutil.copyfile(model / CONFIG_NAME, folder / CONFIG_NAME)
        return config
    config = with_auto_map({key: value for key, value in config.items() if key != "_name_or_path"})
    config["latent_channels"] = config["d"]  # what pipelines look for, and models from before do not have
    write_text(folder / CONFIG_NAME, json.dumps(config, indent=2, sort_keys=True) + "\n")
    write_module_file(folder)
    return config
