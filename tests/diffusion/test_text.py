from types import SimpleNamespace

import pytest
import torch

from pqgan.diffusion.backbone import byte_tokenizer
from pqgan.diffusion.step import Draws
from pqgan.diffusion.text import Captions


def make(folder, dropout: float) -> Captions:
    fabric = SimpleNamespace(device=torch.device("cpu"), global_rank=0, world_size=1)
    return Captions(folder, dropout, Draws(fabric, seed=0))


def batch(captions: list[str]):
    return SimpleNamespace(captions=captions)


def test_share_of_dropped_captions(backbone_folder):
    captions = make(backbone_folder, 0.1)
    dropped = [captions.drop(number, ["a cat"] * 50).count("") for number in range(200)]
    # 10 000 draws: three standard deviations are 0.009
    assert sum(dropped) / 10_000 == pytest.approx(0.1, abs=0.009)
    assert len(set(dropped)) > 1


def test_dropout_is_a_function_of_the_step(backbone_folder):
    captions, again = make(backbone_folder, 0.5), make(backbone_folder, 0.5)
    texts = [str(index) for index in range(20)]
    assert captions.drop(3, texts) == again.drop(3, texts)
    assert captions.drop(3, texts) != captions.drop(4, texts)


@pytest.mark.parametrize(("dropout", "kept"), [(0.0, True), (1.0, False)])
def test_hidden_states_are_those_of_the_text_encoder(backbone_folder, dropout, kept):
    captions = make(backbone_folder, dropout)
    found = captions(0, batch(["a photo of a cat", "x " * 500]))
    texts = ["a photo of a cat", "x " * 75] if kept else ["", ""]
    tokens = captions.tokenizer(texts, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = captions.encoder(tokens)[0]
    assert found.shape == (2, 77, 32)
    assert torch.equal(found, expected)
    assert not found.requires_grad


@pytest.mark.parametrize(
    "text", ["a photo of a cat", "Über naïve cafés", "日本語 и кириллица 🚀", "tab\tand  spaces", ""]
)
def test_byte_tokenizer_gives_every_text_back(text):
    tokenizer = byte_tokenizer()
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    # CLIP's own normalisation: lower case, single spaces
    assert tokenizer.decode(ids, skip_special_tokens=True) == " ".join(text.lower().split())


def test_byte_tokenizer_knows_every_byte():
    tokenizer = byte_tokenizer()
    assert len(tokenizer) == 514
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.model_max_length) == (512, 513, 77)
    text = "".join(chr(code) for code in range(33, 0x250))
    ids = tokenizer(text).input_ids[1:-1]
    assert not {512, 513} & set(ids)
