"""Fine-tunes the upper layers of the sentence encoder to tell tasks apart.

The lower layers stay as they are, so what they make of each text is computed once and kept. torch is needed
here, and nowhere where requests are answered.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor, nn

from models.routing.sentences import Vectors
from models.routing.training.graph import Weights
from models.routing.training.layers import WIDTH, Layer, states_of

LAYERS = 6


class Recipe(Struct, frozen=True, kw_only=True):
    """How it is tuned. The defaults were chosen on sources held out."""

    frozen: int = 3
    """Of the six layers, from below."""
    epochs: float = 2.0
    rows: int = 32
    """In a step."""
    rate: float = 1.2e-4
    """Of the uppermost layer; each below it learns `slower` times as fast."""
    slower: float = 0.75
    head_rate: float = 2e-3
    warm_up: float = 0.08
    smoothing: float = 0.05
    dropout: float = 0.1
    dense_weight: float = 0.5
    contrast: float = 0.0
    seed: int = 0
    threads: int = 2


class Texts(NamedTuple):
    """Tokens of many texts, and what the frozen layers make of them."""

    lengths: NDArray[np.int64]
    states: Sequence[Tensor]
    """(tokens, WIDTH) of each, in half precision."""


def frozen_states(weights: Weights, ids: Sequence[Sequence[int]], recipe: Recipe) -> Texts:
    """Once for all that is tuned from it."""
    torch.set_num_threads(recipe.threads)
    layers = [Layer(weights, layer, dropout=0.0).train(False) for layer in range(recipe.frozen)]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    made: list[Tensor] = [torch.empty(0)] * len(ids)
    with torch.inference_mode():
        for first in range(0, len(order), 64):
            rows = order[first : first + 64]
            states, mask = states_of(weights, [ids[row] for row in rows])
            with torch.autocast("cpu", torch.bfloat16):
                for layer in layers:
                    states = layer(states, mask)
            for row, state in zip(rows, states.to(torch.float16), strict=True):
                made[row] = state[: len(ids[row])].clone()
    return Texts(np.asarray([len(one) for one in ids]), made)


def tuned(
    weights: Weights,
    texts: Texts,
    dense: NDArray[np.float32],
    targets: NDArray[np.float32],
    draws: NDArray[np.float64],
    recipe: Recipe,
) -> Weights:
    """All layers', the frozen ones' as they were. `targets` are distributions over classes. `draws` says
    how often a row comes in an epoch, on average; 0 leaves it out."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = _Upper(weights, dense.shape[1], targets.shape[1], recipe)
    batches = list(_batches(texts.lengths, draws, recipe))
    optimiser, schedule = _optimiser(model, len(batches), recipe)
    features, wanted = torch.from_numpy(dense), torch.from_numpy(_smoothed(targets, recipe.smoothing))
    model.train()
    for rows in batches:
        vectors, scores = model(texts, rows, features[rows])
        goal = wanted[rows]
        loss = -(goal * torch.log_softmax(scores, 1)).sum(1).mean()
        if recipe.contrast:
            loss = loss + recipe.contrast * _contrast(vectors, goal.argmax(1))
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
    return model.weights(weights)


def vectors_of(weights: Weights, texts: Texts, recipe: Recipe) -> Vectors:
    """Of length one, as the graph of `weights` gives them."""
    torch.set_num_threads(recipe.threads)
    layers = [Layer(weights, layer, dropout=0.0).train(False) for layer in range(recipe.frozen, LAYERS)]
    order = np.argsort(texts.lengths, kind="stable")
    made = np.empty((len(order), WIDTH), np.float32)
    with torch.inference_mode():
        for first in range(0, len(order), 64):
            rows = order[first : first + 64]
            states, mask = _padded(texts, rows)
            with torch.autocast("cpu", torch.bfloat16):
                for layer in layers:
                    states = layer(states, mask)
            made[rows] = _pooled(states, mask).numpy()
    return made


class _Upper(nn.Module):
    def __init__(self, weights: Weights, dense: int, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.first = recipe.frozen
        self.dense_weight = recipe.dense_weight
        self.layers = nn.ModuleList(
            Layer(weights, layer, dropout=recipe.dropout) for layer in range(recipe.frozen, LAYERS)
        )
        self.drop = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(WIDTH + dense, classes)
        nn.init.zeros_(self.head.bias)

    def forward(self, texts: Texts, rows: NDArray[np.int64], features: Tensor) -> tuple[Tensor, Tensor]:
        states, mask = _padded(texts, rows)
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers:
                states = layer(states, mask)
        vectors = _pooled(states, mask)
        seen = torch.cat([vectors * WIDTH**0.5, features * self.dense_weight], 1)
        return vectors, self.head(self.drop(seen))

    def weights(self, before: Weights) -> Weights:
        made = dict(before)
        for number, layer in enumerate(self.layers, self.first):
            assert isinstance(layer, Layer)
            made |= layer.weights(number)
        return made


def _batches(
    lengths: NDArray[np.int64], draws: NDArray[np.float64], recipe: Recipe
) -> Iterator[NDArray[np.int64]]:
    """Texts of like length together, so that little is padded, in random order."""
    rng = np.random.default_rng(recipe.seed)
    whole = int(np.ceil(recipe.epochs))
    for _ in range(whole):
        wanted = draws * recipe.epochs / whole
        times = np.floor(wanted + rng.random(len(draws))).astype(np.int64)
        rows = rng.permutation(np.repeat(np.arange(len(draws)), times))
        for first in range(0, len(rows), 16 * recipe.rows):
            part = rows[first : first + 16 * recipe.rows]
            part = part[np.argsort(lengths[part], kind="stable")]
            portions = [part[at : at + recipe.rows] for at in range(0, len(part), recipe.rows)]
            for at in rng.permutation(len(portions)):
                yield portions[at]


def _optimiser(
    model: _Upper, steps: int, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    top = len(model.layers) - 1
    groups = [
        {"params": layer.parameters(), "lr": recipe.rate * recipe.slower ** (top - number)}
        for number, layer in enumerate(model.layers)
    ]
    groups.append({"params": model.head.parameters(), "lr": recipe.head_rate})
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)

    def share(step: int) -> float:
        return min(1.0, (step + 1) / (recipe.warm_up * steps)) * max(0.02, 1 - step / steps)

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, share)


def _padded(texts: Texts, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    states = nn.utils.rnn.pad_sequence([texts.states[row] for row in rows], batch_first=True).float()
    lengths = torch.from_numpy(texts.lengths[rows])
    return states, torch.arange(states.shape[1])[None] < lengths[:, None]


def _pooled(states: Tensor, mask: Tensor) -> Tensor:
    return nn.functional.normalize((states.float() * mask[..., None]).sum(1), dim=1)


def _smoothed(targets: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.asarray((1 - share) * targets + share / targets.shape[1], np.float32)


def _contrast(vectors: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Texts of one task together, those of others apart."""
    count = len(labels)
    alike = (vectors @ vectors.T) / temperature
    alike = alike.masked_fill(torch.eye(count, dtype=torch.bool), -1e9)
    same = (labels[:, None] == labels[None]) & ~torch.eye(count, dtype=torch.bool)
    told = torch.log_softmax(alike, 1)
    pairs = same.sum(1)
    every = -(told * same).sum(1) / pairs.clamp(min=1)
    return every[pairs > 0].mean() if bool((pairs > 0).any()) else vectors.sum() * 0
