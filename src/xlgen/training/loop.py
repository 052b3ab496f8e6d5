"""The training loop: the one place where forward, backward and step happen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim import Optimizer

from xlgen.adaptation.base import Method
from xlgen.backbones.base import IGNORED, Backbone
from xlgen.backbones.heads import head_loss
from xlgen.core.config import Training
from xlgen.core.registry import RunEndedError
from xlgen.data.batches import padding_share
from xlgen.data.examples import EncodedExample
from xlgen.kernels.cross_entropy import loss_in_the_head
from xlgen.kernels.embedding_gradients import clip_norm, direct_gradients, release
from xlgen.training.optimizer import set_learning_rate


class TrainingDivergedError(RunEndedError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class StepResult:
    """Figures of one step: mean loss per target token, gradient norm before clipping, and what the batch held."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    source_tokens: int
    target_tokens: int
    padding: float
    losses: dict[str, float] | None = None
    """Of a step's batches by the part of the mixture that they are from: mean loss per target token; None where the
    stage has one part."""


def train_loop(
    backbone: Backbone,
    method: Method,
    model: torch.nn.Module,
    optimizer: Optimizer,
    stream: Iterator[list[EncodedExample]],
    training: Training,
    accelerator: Accelerator,
    steps: range,
    after_step: Callable[[StepResult], None],
    penalty: Callable[[], Tensor] | None = None,
    reduction: Callable[[], float] = lambda: 1.0,
    by_part: bool = False,
) -> None:
    """Train for ``steps`` of all ``training.steps``; ``after_step`` logs, evaluates and saves.

    ``penalty`` is added to the loss of each step, ``reduction`` multiplies the scheduled rate. With ``by_part``
    each result has the losses of the mixture's parts too.

    Raises TrainingDivergedError.
    """
    model.train()
    for step in steps:
        rate = set_learning_rate(optimizer, step, training, reduction())
        batches = [next(stream) for _ in range(training.gradient_accumulation_steps)]
        of_batches, counts, norm = _optimize(
            backbone, method, model, optimizer, batches, training, accelerator, penalty
        )
        loss = float(of_batches.sum())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingDivergedError(
                f"loss {loss}, gradient norm {norm} at step {step + 1} with learning rate {rate:.2g}: training has "
                "diverged. Lower training.learning_rate, lengthen training.warmup_steps, or use precision fp32"
            )
        padding, whole = map(sum, zip(*(padding_share(batch) for batch in batches), strict=True))
        sources = sum(len(example.source) for batch in batches for example in batch)
        targets = sum(len(example.target) for batch in batches for example in batch)
        losses = _by_part(batches, of_batches, counts) if by_part else None
        after_step(StepResult(step + 1, loss, rate, norm, sources, targets, padding / whole, losses))
        model.train()
    release(model.parameters())


def _optimize(
    backbone: Backbone,
    method: Method,
    model: torch.nn.Module,
    optimizer: Optimizer,
    batches: Sequence[Sequence[EncodedExample]],
    training: Training,
    accelerator: Accelerator,
    penalty: Callable[[], Tensor] | None = None,
) -> tuple[Tensor, Tensor, float]:
    """One step over the global batches; each process takes every n-th example of each.

    Returns the loss of each batch, the number of its target tokens (both: batches), and the gradient norm. A loss is
    the sum over target tokens divided by their number in the whole step, so that splitting a batch over micro-batches
    or processes does not change the sum of losses.
    """
    shares = [_share(batch, accelerator) for batch in batches]
    tensors = [{k: v.to(accelerator.device) for k, v in backbone.collate(share).items()} for share, _ in shares]
    for (_, real), inputs in zip(shares, tensors, strict=True):
        if not real:
            inputs["labels"] = torch.full_like(inputs["labels"], IGNORED)
    counts = accelerator.reduce(torch.stack([(inputs["labels"] != IGNORED).sum() for inputs in tensors]), "sum")
    count = counts.sum()
    losses = torch.zeros(len(tensors), device=accelerator.device)
    direct = accelerator.num_processes == 1 and penalty is None
    for index, inputs in enumerate(tensors):
        last = index == len(tensors) - 1
        method.select(backbone, shares[index][0])
        with _sync(accelerator, model, last), direct_gradients(direct):
            with _autocast(accelerator, training.precision):
                loss = token_loss(model, inputs, training.label_smoothing, 1 / count)
            # Processes average their gradients; the loss is a sum over processes, the penalty the same in each.
            whole = loss * accelerator.num_processes
            accelerator.backward(whole + penalty() if penalty and last else whole)
        losses[index] = loss.detach()
    clip = clip_norm if direct and accelerator.device.type == "cpu" else accelerator.clip_grad_norm_
    norm = clip(model.parameters(), training.max_grad_norm or math.inf)
    optimizer.step()
    optimizer.zero_grad()
    return accelerator.reduce(losses, "sum"), counts, float(norm)


def _by_part(batches: Sequence[Sequence[EncodedExample]], losses: Tensor, counts: Tensor) -> dict[str, float]:
    """Mean loss per target token of each part; all examples of a batch are from one."""
    sums: dict[str, list[float]] = {}
    for batch, loss, count in zip(batches, (losses * counts.sum()).tolist(), counts.tolist(), strict=True):
        found = sums.setdefault(batch[0].task, [0.0, 0])
        found[0] += loss
        found[1] += count
    return {name: loss / max(1, count) for name, (loss, count) in sums.items()}


def token_loss(
    model: torch.nn.Module, inputs: dict[str, Tensor], label_smoothing: float = 0.0, factor: Tensor | float = 1.0
) -> Tensor:
    """Cross entropy summed over target tokens, in fp32, times ``factor``; without decoder inputs, over a head's labels.

    ``inputs`` are what ``Backbone.collate`` gives.
    """
    if "decoder_input_ids" not in inputs:
        logits = model(**{name: tensor for name, tensor in inputs.items() if name != "labels"})
        return head_loss(logits, inputs["labels"], IGNORED, label_smoothing) * factor
    with loss_in_the_head(model, inputs["labels"], IGNORED, label_smoothing, factor) as found:
        model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            decoder_input_ids=inputs["decoder_input_ids"],
            use_cache=False,
        )
    return found[0]


def _share(batch: Sequence[EncodedExample], accelerator: Accelerator) -> tuple[Sequence[EncodedExample], bool]:
    """This process's examples; where a batch has too few, one that counts nothing, so that no process waits forever."""
    mine = batch[accelerator.process_index :: accelerator.num_processes]
    return (mine, True) if mine else (batch[:1], False)


def _autocast(accelerator: Accelerator, precision: str) -> AbstractContextManager[object]:
    """Matrix products in half precision, weights and loss in fp32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(accelerator.device.type, dtype=dtype, enabled=precision != "fp32")


def _sync(accelerator: Accelerator, model: torch.nn.Module, last: bool) -> AbstractContextManager[object]:
    """Exchange gradients between processes only with the last micro-batch of a step."""
    return nullcontext() if last else accelerator.no_sync(model)
