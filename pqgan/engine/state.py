"""All of a training that survives a restart."""

import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from pqgan.errors import DataError, NumericalError


class TrainingState:
    """Networks, optimisers, the step and the means not yet logged; nothing else of a run is carried over.

    There is no generator state, because all randomness is a function of (seed, step, stream); and no learning rate,
    because that is a function of the step.

    Args:
        modules: by name, bare: as they are before Fabric or a compiler wraps them. A moving average is one of them.
        optimisers: by name; all their parameters belong to the modules.
    """

    def __init__(self, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]):
        self.modules, self.optimisers = dict(modules), dict(optimisers)
        self.step = 0
        """Updates done."""
        self.means: dict[str, Tensor] = {}
        """Sum and count (2,), float64, of every loss since the last line of the log."""
        self.seconds = 0.0
        """Of training since that line."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the step, by name: modules/..., optimisers/<optimiser>/<parameter>/..., means/..., seconds."""
        found = {
            f"modules/{name}/{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for parameter, key in self._parameters(optimiser):
                for field, value in optimiser.state.get(parameter, {}).items():
                    found[f"optimisers/{name}/{key}/{field}"] = value
        found |= {f"means/{name}": mean for name, mean in self.means.items()}
        return found | {"seconds": torch.tensor(self.seconds, dtype=torch.float64)}

    def _parameters(self, optimiser: torch.optim.Optimizer) -> Iterator[tuple[nn.Parameter, str]]:
        names = {
            parameter: f"{name}.{key}"
            for name, module in self.modules.items()
            for key, parameter in module.named_parameters()
        }
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                yield parameter, names[parameter]

    def load(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Take over what `tensors` of an earlier process gave.

        Raises:
            DataError: a tensor is missing, too many, or of another shape; names it.
        """
        left = dict(tensors)

        def take(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): left.pop(name) for name in list(left) if name.startswith(prefix)}

        try:
            for name, module in self.modules.items():
                module.load_state_dict(take(f"modules/{name}/"))
            for name, optimiser in self.optimisers.items():
                found = {key: take(f"optimisers/{name}/{key}/") for _, key in self._parameters(optimiser)}
                fields = set().union(*found.values())
                for parameter, key in self._parameters(optimiser):
                    # a parameter that never had a gradient has none of them
                    if found[key] and (missing := fields - found[key].keys()):
                        raise RuntimeError(f"optimisers/{name}/{key}/{min(missing)} is missing")
                    optimiser.state[parameter] = {
                        field: _like(value, parameter, f"optimisers/{name}/{key}/{field}")
                        for field, value in found[key].items()
                    }
        except RuntimeError as error:
            raise DataError(f"checkpoint of step {step}: does not fit: {' '.join(str(error).split())}") from None
        if "seconds" not in left:
            raise DataError(f"checkpoint of step {step}: does not fit: seconds is missing")
        self.means = {name: mean.clone() for name, mean in take("means/").items()}
        self.seconds, self.step = left.pop("seconds").item(), step
        if left:
            raise DataError(f"checkpoint of step {step}: holds {', '.join(sorted(left)[:8])}, which this run has not")

    def check_finite(self) -> None:
        """Refuse to save weights that no later step could mend.

        Raises:
            NumericalError: names the tensors.
        """
        tensors = {name: tensor for name, tensor in self.tensors().items() if tensor.is_floating_point()}
        device = next(iter(tensors.values())).device  # some optimisers count their steps on the CPU
        finite = torch.stack([tensor.isfinite().all().to(device) for tensor in tensors.values()]).tolist()
        if bad := [name for name, good in zip(tensors, finite, strict=True) if not good]:
            shown = ", ".join(bad[:4]) + (f" and {len(bad) - 4} more" if len(bad) > 4 else "")
            raise NumericalError(f"step {self.step}: weights are not finite: {shown}; lower the learning rate")

    def sha256(self) -> str:
        """One hash over step, names, types, shapes and bytes of all tensors of modules and optimisers."""
        digest = hashlib.sha256(str(self.step).encode())
        for name, tensor in sorted(self.tensors().items()):
            if name.startswith(("modules/", "optimisers/")):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()


def _like(value: Tensor, parameter: Tensor, name: str) -> Tensor:
    """A value of an optimiser, laid out as its parameter: fused kernels walk both by memory order."""
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    if value.ndim:
        raise RuntimeError(f"{name} is {tuple(value.shape)}, its parameter {tuple(parameter.shape)}")
    return value.to(parameter.device).clone()
