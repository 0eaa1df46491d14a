"""What most tests import and no fault changes; a warm process does it for all of them."""

import sys

import lpips  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import numpy  # noqa: F401
import pandas  # noqa: F401
import pydantic  # noqa: F401
import pytest  # noqa: F401
import safetensors.torch  # noqa: F401
import scipy.special  # noqa: F401
import skimage.metrics  # noqa: F401
import torch
import torch.utils.tensorboard  # noqa: F401
import torch_fidelity  # noqa: F401
import yaml  # noqa: F401
from diffusers import (  # noqa: F401
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    VQModel,
)
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection  # noqa: F401

# as pqgan.engine.launch imports it: without torchmetrics, all of which it would import for its version
sys.modules["torchmetrics"] = None
import lightning_fabric  # noqa: E402, F401

del sys.modules["torchmetrics"]
