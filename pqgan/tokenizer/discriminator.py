"""The PatchGAN discriminator of pix2pix (Isola et al. 2017), as VQGAN uses it."""

from torch import Tensor, nn

from .batchnorm import BatchNorm2d


class PatchGAN(nn.Sequential):
    """Logits a patch: 4x4 convolutions, batch norm, leaky ReLU 0.2.

    Args:
        channels: of the first layer; doubled by each, at most eightfold.
        layers: strided layers, so that a logit sees about 2^layers * 9 pixels.
    """

    def __init__(self, channels: int = 64, layers: int = 3):
        blocks: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for layer in range(1, layers + 1):
            wider = channels * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            blocks += [
                nn.Conv2d(width, wider, 4, stride=stride, padding=1, bias=False),
                BatchNorm2d(wider),
                nn.LeakyReLU(0.2),
            ]
            width = wider
        blocks.append(nn.Conv2d(width, 1, 4, stride=1, padding=1))
        super().__init__(*blocks)
        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)

    def forward(self, *batches: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, 1, h, w) of images (B, 3, H, W); positive means real.

        Several batches give a tuple. Each is normalised by its own statistics, as in separate calls, which
        data-parallel modules do not allow before one backward pass.
        """
        logits = tuple(super(PatchGAN, self).forward(images) for images in batches)
        return logits if len(batches) > 1 else logits[0]
