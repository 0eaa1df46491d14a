"""Small models of every form that a PQModel has, and images for them."""

import torch

from pqgan.tokenizer.model import PQModel

TRUNK = {"block_out_channels": (8, 16), "layers_per_block": 1, "z_channels": 8, "norm_num_groups": 4}
ALONE = {"block_out_channels": None, "patch": 4}
FORMS = {
    "trunk": TRUNK,
    "trunk and path": TRUNK | {"patch": 2, "normalisation": "imagenet"},
    "path": ALONE,
    "refined path": ALONE | {"refine_channels": 8, "refine_blocks": 1},
    "rq": ALONE | {"quantiser_config": {"kind": "rq", "D": 2, "K": 16}},
    "fsq": ALONE | {"quantiser_config": {"kind": "fsq", "levels": [5] * 8}},
}

NETWORKS = [form for form, options in FORMS.items() if options["block_out_channels"] or "refine_channels" in options]
"""Forms with more than a linear path around the quantiser."""


def make(form: str = "trunk", **changed) -> PQModel:
    """A seeded model of eight latent channels, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PQModel(**{"d": 8, "S": 4, "K": 16, "codebook_init": "normal", **FORMS[form], **changed}).eval()


def images(batch: int = 2, height: int = 32, width: int = 24) -> torch.Tensor:
    """(B, 3, H, W) in [-1, 1]."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.no_grad()
def all_calls(model: PQModel, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every way into a model gives for images, its methods before its forward pass."""
    latents, codes = model.encode(x).latents, model.encode_to_codes(x)
    return {
        "encode": latents,
        "encode_continuous": model.encode_continuous(x),
        "encode_to_codes": codes,
        "decode": model.decode(latents).sample,
        "decode_from_codes": model.decode_from_codes(codes),
        "forward": model(x).sample,
    }


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
