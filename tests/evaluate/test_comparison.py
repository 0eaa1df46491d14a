"""What is measured between a set and its reconstructions where not everything can be."""

from types import SimpleNamespace

import torch

from pqgan.evaluate.command.defaults import READINGS
from pqgan.evaluate.comparison import Comparison


def test_the_headline_is_a_backbone_that_takes_images_so_small():
    nets = {net: SimpleNamespace(label=net) for net in ("alex", "vgg")}
    networks = SimpleNamespace(lpips=nets, inception=None, clip=None, device="cpu", without=())
    compared = Comparison(networks, READINGS["paper"], {}, reference=SimpleNamespace())
    compared._each["vgg"].append(torch.tensor([0.5, 0.25]))
    (row,) = compared._lpips()
    assert (row["network"], row["headline"], row["value"]) == ("vgg", True, 0.375)
    assert compared.left_out()["LPIPS AlexNet"] == "needs images of at least 31 px"


def test_bytes_have_bits_and_entropy_and_no_use_of_codebooks():
    networks = SimpleNamespace(lpips={}, inception=None, clip=None, device="cpu", without=())
    compared = Comparison(networks, READINGS["paper"], {"kind": "tiny", "F": 8, "d": 2}, reference=SimpleNamespace())
    even, constant = torch.arange(256).view(16, 16), torch.full((16, 16), 7)
    compared.usage.update(torch.stack([even, constant])[None])
    stored, entropy = compared._usage()
    assert (stored["metric"], stored["value"]) == ("bits_per_pixel", 2 * 8 / 64)
    assert (entropy["metric"], entropy["value"]) == ("entropy_bits_per_pixel", 8 / 64)
    assert "bytes" in entropy["protocol"]
    assert "byte a latent channel" in stored["protocol"]
