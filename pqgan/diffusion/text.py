"""Captions -> the hidden states that Stable Diffusion's cross-attention reads."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from .pipeline_parts import load_network, load_part
from .step import Draws


class Captions:
    """The backbone's frozen text encoder, with caption dropout for classifier-free guidance.

    Args:
        backbone: folder with tokenizer/ and text_encoder/.
        dropout: share of captions replaced by the empty one (reading 22).
        draws: of the run.
    """

    def __init__(self, backbone: Path, dropout: float, draws: Draws):
        self.tokenizer = load_part(CLIPTokenizer, backbone, "tokenizer")
        self.encoder = load_network(CLIPTextModel, backbone, "text_encoder").requires_grad_(False)
        self.encoder.to(draws.device)
        self.dropout, self.draws = dropout, draws

    def drop(self, number: int, captions: list[str]) -> list[str]:
        """The captions of step `number`, some of them empty."""
        chance = self.draws.uniform(number, "captions", len(captions)).tolist()
        return ["" if draw < self.dropout else caption for draw, caption in zip(chance, captions, strict=True)]

    @torch.no_grad()
    def __call__(self, number: int, batch) -> Tensor:
        """(B, 77, context) hidden states of a batch's captions."""
        tokens = self.tokenizer(
            self.drop(number, batch.captions),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.encoder(tokens.input_ids.to(self.draws.device)).last_hidden_state
