"""What a network's scores begin with: the gain that the laws of the world let expect.

The network learns the difference (residual learning: Silver et al., arXiv 1812.06298). So an
untrained policy responds to what experts served of late, and abandons only what is worth nothing.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from envs.features import GAIN_BESIDE
from marl_moe.policies.columns import ColumnNames


@dataclass(frozen=True)
class GainPrior:
    """Forward hook of a network, which adds to the score of each expert a multiple of its gain.

    The gain is that of the column `gain_beside`, credits. Abandoning, which gains nothing, keeps
    its score. A hook, so that parameters keep their names.

    Attributes:
        columns: of the observations.
        per_credit: the multiple.
    """

    columns: ColumnNames
    per_credit: float

    def put_on(self, network: nn.Module) -> nn.Module:
        """Put the hook on a network, and return the network."""
        network.register_forward_hook(self)
        return network

    def __call__(self, network: nn.Module, given: tuple[Tensor], scores: Tensor) -> Tensor:
        """Return the sum, (copies, B, C + 1); `given` holds the observations (B, D)."""
        first = len(self.columns.user) + self.columns.expert.index(GAIN_BESIDE)
        gain = given[0][:, first :: len(self.columns.expert)]
        return scores + self.per_credit * nn.functional.pad(gain, (0, 1))
