"""samples.json: how the samples of prompts were made."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

FILE = "samples.json"


class Sample(BaseModel):
    """A picture."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    height: PositiveInt
    """Of the image, pixels; width too."""
    width: PositiveInt

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.height, self.width


class Sampled(BaseModel):
    """What is written beside 0.png, 1.png, ..., one a prompt and size."""

    model_config = ConfigDict(frozen=True, extra="allow")

    samples: Annotated[tuple[Sample, ...], Field(min_length=1)]
    """Of each picture, in the order of their numbers: all prompts at the first size, then at the next one."""
    steps: PositiveInt
    """Of DDIM."""
    guidance: FiniteFloat
    seed: int
    F: PositiveInt
    """Downsampling factor of the tokenizer."""
