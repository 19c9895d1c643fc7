"""Weights of modules in one safetensors file, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from marl_moe.errors import RecordError
from marl_moe.whole_file import whole_file

Weights = Mapping[str, Mapping[str, Tensor]]  # {module: {parameter: tensor}}


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights, and make their folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {
        f"{module_id}/{name}": tensor.detach().cpu().contiguous()
        for module_id, module in weights.items()
        for name, tensor in module.items()
    }
    with whole_file(path) as partial:
        partial.write_bytes(save(flat))


def read_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read what `write_weights` wrote, {module: {parameter: tensor}}.

    Raises:
        FileNotFoundError: there is no file.
        RecordError: it is damaged.
    """
    weights: dict[str, dict[str, Tensor]] = {}
    try:
        flat = load_file(path)
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: not whole weights ({error})") from None
    for key, tensor in flat.items():
        module_id, _, name = key.rpartition("/")
        weights.setdefault(module_id, {})[name] = tensor
    return weights
