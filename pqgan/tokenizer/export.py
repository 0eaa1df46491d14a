"""A tokenizer to hand on, without what only further training needs: `pqgan export`."""

import shutil
from pathlib import Path

import torch
from diffusers.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file

from pqgan.storage.outputs import check_folder, new_result

from .load import load_model

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
EXACT = ("quantiser.", "quantize.", "linear.")
"""Codebooks and a linear path, of our models and of diffusers': small, and rounded they would move codes. They stay in
float32.
"""
PROVENANCE = "provenance.json"
KIND = "export"


def export(*, model: Path, out: Path, dtype: str = "bf16") -> None:
    """Write config.json, the weights in a dtype, where they come from, and the sha256 of each.

    The folder opens with `from_pretrained`, and with every `--model`; networks compute in float32 whatever is stored.

    Args:
        model: folder of a trained tokenizer, ours or diffusers'.
        out: folder to make, or an earlier export to replace.
        dtype: one of DTYPES, of all but EXACT; a trunk in half of the bits moves some codes, which `pqgan evaluate`
            shows.

    Raises:
        SettingsError: `out` is there and no earlier export, or not as it was written.
        DataError: `model` holds no tokenizer.
    """
    check_folder(out, KIND, apart={"--model": model})
    network = load_model(model)
    weights = {
        name: tensor.to(torch.float32 if name.startswith(EXACT) else DTYPES[dtype]).contiguous()
        for name, tensor in network.state_dict().items()
    }
    with new_result(out, KIND) as folder:
        # not save_pretrained, which writes down where the model was loaded from
        save_file(weights, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
        shutil.copyfile(model / CONFIG_NAME, folder / CONFIG_NAME)
        if (model / PROVENANCE).is_file():
            shutil.copyfile(model / PROVENANCE, folder / PROVENANCE)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {type(network).__name__} in {dtype}, {size / 1e6:.1f} MB", flush=True)
