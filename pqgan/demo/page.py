"""The page: what is on it, and which function answers which event.

gradio has to be configured before it is imported, so that this module is imported by `serve` alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import nn

from pqgan.errors import PqganError
from pqgan.tokenizer.kinds import Tokenizer

from . import compute, words
from .compute import Reconstruction
from .models import Models
from .pictures import Picture, like, read

CSS = """
.gradio-container { max-width: 1180px !important; }
.pq .html-container { padding: 0 !important; }
.pq h1 { font-size: 1.5rem; font-weight: 650; margin: 0 0 .2rem; }
.pq h2 { font-size: 1.05rem; font-weight: 650; margin: .8rem 0 .1rem; }
.pq p { margin: 0; font-size: .9rem; opacity: .8; }
.pq p.error { color: #b42318; font-weight: 600; opacity: 1; }
.pq table { width: 100%; border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
.pq :is(th, td) { text-align: right; white-space: nowrap; padding: .3rem 0 .3rem .5rem;
  border-bottom: 1px solid var(--border-color-primary); }
.pq :is(th, td):first-child { text-align: left; white-space: normal; padding-left: 0; min-width: 8.5em;
  overflow-wrap: anywhere; }
.pq td[colspan] { white-space: normal; text-align: left; }
.pq tr.chosen td { font-weight: 650; }
"""
HALVES = {"the first subspaces": "subspaces", "the left columns": "columns"}
KEPT = 3600
"""Seconds that a page's pictures stay in memory after it was used last."""


@dataclass
class Shown:
    """What one open page has been given, and what was made of it."""

    a: Picture | None = None
    b: Picture | None = None
    made: dict[str, Reconstruction] = field(default_factory=dict)
    """Of picture A, by the names of models."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why a model made none."""
    others: dict[str, np.ndarray] = field(default_factory=dict)
    """Codes of picture B, brought to the size of A."""


class Page:
    """Answers of the page.

    Args:
        models: that it offers.
        lpips: `Perceptual` on the device, or None where its network is not at hand.
        longest: side that pictures are brought down to, pixels.
        device: where the models are.
    """

    def __init__(self, models: Models, lpips: nn.Module | None, longest: int, device: torch.device):
        self.models, self.lpips, self.longest, self.device = models, lpips, longest, device
        self.by_name: dict[str, Tokenizer] = dict(models.models)

    def upload_a(self, path: str | None, name: str) -> Iterator[tuple[Any, ...]]:
        """Picture A: after each model what is known by then."""
        shown = Shown()
        if path is None:
            yield shown, words.said("", lpips=self.lpips is not None), "", None
            return
        try:
            shown.a = read(path, self.models.factor, self.longest)
        except (PqganError, MemoryError) as error:
            yield shown, words.failed(error), "", None
            return
        for model in self.models.models:
            try:
                shown.made[model.name] = compute.reconstruct(model.tokenizer, shown.a.pixels, self.lpips, self.device)
            except PqganError as error:
                shown.refused[model.name] = str(error)
            yield (
                shown,
                words.said(shown.a.said, lpips=self.lpips is not None),
                self.numbers(shown, name),
                self.pair(shown, name),
            )

    def upload_b(self, path: str | None, shown: Shown) -> tuple[Shown, str]:
        """Picture B, to be mixed with A."""
        shown.b, shown.others = None, {}
        if path is None:
            return shown, ""
        try:
            shown.b = read(path, self.models.factor, self.longest)
        except (PqganError, MemoryError) as error:
            return shown, words.failed(error)
        return shown, words.line(f"Picture B: {shown.b.said}.")

    def numbers(self, shown: Shown, name: str) -> str:
        return words.table(shown.made, shown.refused, name) if shown.a is not None else ""

    def pair(self, shown: Shown, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Original and reconstruction, for the slider."""
        made = shown.made.get(name)
        return None if made is None else (shown.a.pixels, made.pixels)

    def codes(self, shown: Shown, name: str, s: int) -> tuple[np.ndarray | None, str]:
        """The map of one subspace, and what it is."""
        made = shown.made.get(name)
        if made is None:
            return None, words.line(shown.refused.get(name, ""))
        if made.codes is None:
            return None, words.line(f"{name} has no codes.")
        tokenizer = self.by_name[name]
        s = min(int(s), len(made.codes) - 1)
        return compute.code_map(tokenizer, made.codes, s), words.of_codes(made.codes[s], s, tokenizer.subject()["K"])

    def mix(self, shown: Shown, name: str, way: str, share: float) -> tuple[np.ndarray | None, str]:
        """Codes of A and B decoded together, and which are whose."""
        made = shown.made.get(name)
        if made is None or shown.b is None:
            return None, words.line("" if shown.b is None else "Give picture A, too.")
        if made.codes is None:
            return None, words.line(f"{name} has no codes.")
        tokenizer = self.by_name[name]
        try:
            if name not in shown.others:
                other = like(shown.b, shown.a)
                shown.others[name] = compute.reconstruct(tokenizer, other.pixels, None, self.device).codes
            codes = compute.mixed(made.codes, shown.others[name], share / 100, HALVES[way])
            pixels = compute.decoded(tokenizer, codes, self.device)
        except (PqganError, MemoryError) as error:
            return None, words.failed(error)
        return pixels, words.of_mixture(made.codes.shape, share / 100, HALVES[way])

    def subspaces(self, name: str) -> Any:
        """The slider of subspaces, as far as the model has any."""
        S = self.by_name[name].subject().get("S", 1)
        return gr.Slider(0, max(1, S - 1), value=0, step=1, interactive=S > 1, label="Subspace", elem_id="subspace")

    def build(self) -> gr.Blocks:
        """The whole page."""
        names = list(self.by_name)
        picture = {"buttons": ["download", "fullscreen"], "interactive": False, "format": "png", "height": 380}
        text = {"elem_classes": "pq", "apply_default_css": False}
        with gr.Blocks(title="PQGAN: pictures as codes", analytics_enabled=False) as page:
            shown = gr.State(Shown(), time_to_live=KEPT)
            gr.HTML(words.HEADER, **text)
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=340):
                    a = gr.File(label="Picture", height=150, elem_id="a")
                    name = gr.Radio(names, value=names[0], label="Model shown", elem_id="model")
                    said = gr.HTML(words.said("", lpips=self.lpips is not None), **text, elem_id="said")
                    numbers = gr.HTML(**text, elem_id="numbers")
                    if self.models.left_out:
                        gr.HTML(words.left_out(self.models.left_out), **text)
                with gr.Column(scale=7, min_width=420):
                    pair = gr.ImageSlider(
                        label="Original | reconstruction", max_height=520, elem_id="pair", **{**picture, "height": 460}
                    )
            with gr.Row(equal_height=False):
                with gr.Column(min_width=420):
                    gr.HTML(words.CODES, **text)
                    s = self.subspaces(names[0])
                    codes = gr.Image(label="Codes", elem_id="codes", **picture)
                    of_codes = gr.HTML(**text, elem_id="of-codes")
                with gr.Column(min_width=420):
                    gr.HTML(words.MIX, **text)
                    with gr.Row():
                        b = gr.File(label="Second picture, B", height=110, elem_id="b", scale=1, min_width=180)
                        way = gr.Radio(
                            list(HALVES),
                            value=next(iter(HALVES)),
                            label="From A",
                            elem_id="way",
                            scale=1,
                            min_width=180,
                        )
                    share = gr.Slider(0, 100, value=5, step=1, label="Share of A, %", elem_id="share")
                    said_b = gr.HTML(**text, elem_id="said-b")
                    mixture = gr.Image(label="Mixture", elem_id="mixture", **picture)
                    of_mixture = gr.HTML(**text, elem_id="of-mixture")
            show_codes = {"fn": self.codes, "inputs": [shown, name, s], "outputs": [codes, of_codes]}
            show_mix = {"fn": self.mix, "inputs": [shown, name, way, share], "outputs": [mixture, of_mixture]}
            # picture B first, because a new A starts anew with what it knows
            a.change(self.upload_a, [a, name], [shown, said, numbers, pair]).then(
                self.upload_b, [b, shown], [shown, said_b]
            ).then(**show_codes).then(**show_mix)
            b.change(self.upload_b, [b, shown], [shown, said_b]).then(**show_mix)
            name.change(
                lambda shown, name: (self.numbers(shown, name), self.pair(shown, name), self.subspaces(name)),
                [shown, name],
                [numbers, pair, s],
            ).then(**show_codes).then(**show_mix)
            s.change(**show_codes, trigger_mode="always_last")
            gr.on([way.change, share.change], **show_mix, trigger_mode="always_last")
        return page
