"""The sentence encoder's layers in torch, from its weights and back to them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.routing.training.graph import Weights

WIDTH = 384
HEADS = 12
_INNER = 4 * WIDTH
_EPSILON = 1e-12
_PARTS = ("query", "key", "value")


class Layer(nn.Module):
    def __init__(self, weights: Weights, number: int, *, dropout: float) -> None:
        super().__init__()
        self.attend = nn.Linear(WIDTH, 3 * WIDTH)
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.attended_norm = nn.LayerNorm(WIDTH, _EPSILON)
        self.inner = nn.Linear(WIDTH, _INNER)
        self.outer = nn.Linear(_INNER, WIDTH)
        self.outer_norm = nn.LayerNorm(WIDTH, _EPSILON)
        self.dropout = dropout
        with torch.no_grad():
            for name, parameter in self._named(number).items():
                given = torch.from_numpy(np.concatenate([weights[part] for part in name.split(",")]))
                parameter.copy_(given)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """`mask` is (texts, tokens), true where there is a token."""
        texts, tokens, _ = states.shape
        parts = self.attend(states).view(texts, tokens, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        drop = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None], dropout_p=drop
        )
        seen = self.attended(seen.transpose(1, 2).reshape(texts, tokens, WIDTH))
        states = self.attended_norm(states + F.dropout(seen, drop))
        inner = self.outer(F.gelu(self.inner(states)))
        made: Tensor = self.outer_norm(states + F.dropout(inner, drop))
        return made

    def weights(self, number: int) -> dict[str, np.ndarray]:
        made: dict[str, np.ndarray] = {}
        for name, parameter in self._named(number).items():
            parts = name.split(",")
            for part, array in zip(parts, np.split(parameter.detach().numpy(), len(parts)), strict=True):
                made[part] = np.ascontiguousarray(array)
        return made

    def _named(self, number: int) -> dict[str, nn.Parameter]:
        """By the name, or comma-separated names, under which its values are kept."""
        at = f"encoder.layer.{number}."
        attention = [f"{at}attention.self.{part}." for part in _PARTS]
        rest = {
            f"{at}attention.output.dense.": self.attended,
            f"{at}attention.output.LayerNorm.": self.attended_norm,
            f"{at}intermediate.dense.": self.inner,
            f"{at}output.dense.": self.outer,
            f"{at}output.LayerNorm.": self.outer_norm,
        }
        named = {",".join(part + kind for part in attention): getattr(self.attend, kind) for kind in _KINDS}
        for name, module in rest.items():
            named |= {name + kind: getattr(module, kind) for kind in _KINDS}
        return named


_KINDS = ("weight", "bias")


def states_of(weights: Weights, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """What the first layer gets, (texts, tokens, WIDTH), and where there is a token."""
    longest = max(map(len, ids))
    rows = torch.zeros(len(ids), longest, dtype=torch.long)
    mask = torch.zeros(len(ids), longest, dtype=torch.bool)
    for row, one in enumerate(ids):
        rows[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = True
    name = "embeddings.{}.{}".format
    word, position, kind = (
        torch.from_numpy(weights[name(f"{part}_embeddings", "weight")].copy())
        for part in ("word", "position", "token_type")
    )
    states = word[rows] + position[:longest] + kind[0]
    scale, shift = (torch.from_numpy(weights[name("LayerNorm", part)].copy()) for part in _KINDS)
    return F.layer_norm(states, (WIDTH,), scale, shift, _EPSILON), mask
