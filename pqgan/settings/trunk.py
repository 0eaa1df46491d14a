"""Networks of a tokenizer: the trunk, and the linear path around it or in its place."""

from typing import Any, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from .base import Channels, Layers, Section

Shortcut = Literal["none", "linear", "linear_alone"]


class Refinement(Section):
    """A small residual network on the reconstruction of a linear path; not in the paper."""

    channels: Channels
    blocks: Layers


class Trunk(Section):
    """Encoder and decoder without the quantiser (reading 10); diffusers' Encoder and Decoder."""

    channels: Channels
    """Channels of the first level."""
    multipliers: tuple[Channels, ...]
    """Channel multiplier of each level; each level but the last halves the resolution. Attention sits on the last."""
    res_blocks: Layers
    z_channels: Channels
    """Channels between trunk and quantiser projection."""
    norm_groups: Channels
    shortcut: Shortcut = "none"
    """linear: a linear path of patches around the trunks of product-quantised tokenizers, which then add to it.
    linear_alone: in these trunks' place, and the refinement is all that is trained around it. Not in the paper.
    """

    refinement: Refinement | None = None
    """Of the shortcut's reconstruction; null: none."""

    @model_serializer(mode="wrap")
    def _shortcut_where_there_is_one(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # addresses of trunks without one are those of the time before there were shortcuts
        absent = {"shortcut": "none", "refinement": None}
        return {key: value for key, value in dump(self).items() if (key, value) not in absent.items()}

    @model_validator(mode="after")
    def _refinement_of_a_shortcut(self) -> Self:
        if self.refinement and self.shortcut == "none":
            raise ValueError("refinement corrects the shortcut's reconstruction; allowed: null, or a shortcut")
        if self.shortcut == "linear_alone" and not self.refinement:
            raise ValueError("shortcut: linear_alone has no network to train; allowed: a refinement, or kind: linear")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        for multiplier in self.multipliers:
            if self.channels * multiplier % self.norm_groups:
                raise ValueError(
                    f"norm_groups={self.norm_groups} does not divide {self.channels} x {multiplier} channels; "
                    "allowed: a divisor of every level's channels"
                )
        return self

    @property
    def factor(self) -> int:
        return 2 ** (len(self.multipliers) - 1)

    @property
    def plain(self) -> "Trunk":
        """The paper's trunk, without what is around it or in its place."""
        return self.model_copy(update={"shortcut": "none", "refinement": None})
