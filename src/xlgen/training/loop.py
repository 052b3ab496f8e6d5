"""The training loop: the only place with a forward pass, a backward pass and an optimizer step."""

from __future__ import annotations

import math
import time
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
    """The loss or the gradient norm is not finite."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A model in training, with everything that a step needs except its batches."""

    backbone: Backbone
    method: Method
    model: torch.nn.Module
    """The backbone's model, as prepared by Accelerate."""
    optimizer: Optimizer
    training: Training
    accelerator: Accelerator
    penalty: Callable[[], Tensor] | None = None
    """A term that is added to the loss of each step."""


@dataclass(frozen=True)
class StepResult:
    """Measurements of one step."""

    step: int
    """The number of steps done, including this one."""
    loss: float
    """Mean loss per target token."""
    learning_rate: float
    gradient_norm: float
    """The norm before clipping."""
    source_tokens: int
    target_tokens: int
    padding: float
    """Share of padding in the batches, in [0, 1]."""
    seconds: float
    """Duration of the step, without what follows it."""
    losses: dict[str, float] | None = None
    """Mean loss per target token by part of the mixture; None if the stage has one part."""


def train_loop(
    learner: Learner,
    stream: Iterator[list[EncodedExample]],
    steps: range,
    after_step: Callable[[StepResult], None],
    *,
    reduction: Callable[[], float] = lambda: 1.0,
    by_part: bool = False,
) -> None:
    """Train for ``steps``, a range within all ``training.steps``.

    Args:
        learner: The model, its optimizer and their settings.
        stream: An endless iterator over batches.
        steps: The steps to do, counted from 0.
        after_step: Called after each step with its measurements.
        reduction: Returns the current factor of the scheduled learning rate.
        by_part: Also measure the loss of each part of the mixture.

    Raises:
        TrainingDivergedError: if the loss or the gradient norm is not finite.
    """
    model, training = learner.model, learner.training
    model.train()
    for step in steps:
        started = time.monotonic()
        rate = set_learning_rate(learner.optimizer, step, training, reduction())
        batches = [next(stream) for _ in range(training.gradient_accumulation_steps)]
        of_batches, counts, norm = optimize(learner, batches)
        loss = float(of_batches.sum())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingDivergedError(
                f"loss {loss}, gradient norm {norm} at step {step + 1} with learning rate {rate:.2g}: training has "
                "diverged. Lower training.learning_rate, lengthen training.warmup_steps, or use precision fp32"
            )
        padding, total = map(sum, zip(*(padding_share(batch) for batch in batches), strict=True))
        result = StepResult(
            step=step + 1,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            source_tokens=sum(len(example.source) for batch in batches for example in batch),
            target_tokens=sum(len(example.target) for batch in batches for example in batch),
            padding=padding / total,
            seconds=time.monotonic() - started,
            losses=_by_part(batches, of_batches, counts) if by_part else None,
        )
        after_step(result)
        model.train()
    release(model.parameters())


def optimize(learner: Learner, batches: Sequence[Sequence[EncodedExample]]) -> tuple[Tensor, Tensor, float]:
    """Do one optimizer step over the global batches, of which each process takes every n-th example.

    Returns:
        The loss and the number of target tokens of each batch (both of shape ``(batches,)``), and the gradient norm
        before clipping. A loss is the sum over target tokens divided by their number in the whole step, so splitting a
        batch over micro-batches or processes does not change the sum of losses.
    """
    backbone, model, accelerator, penalty = learner.backbone, learner.model, learner.accelerator, learner.penalty
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
        learner.method.select(backbone, shares[index][0])
        with _sync(accelerator, model, last), direct_gradients(direct):
            with autocast(accelerator, learner.training.precision):
                loss = token_loss(model, inputs, learner.training.label_smoothing, 1 / count)
            # Processes average their gradients. The loss is a sum over processes; the penalty is the same in each.
            whole = loss * accelerator.num_processes
            accelerator.backward(whole + penalty() if penalty and last else whole)
        losses[index] = loss.detach()
    clip = clip_norm if direct and accelerator.device.type == "cpu" else accelerator.clip_grad_norm_
    norm = clip(model.parameters(), learner.training.max_grad_norm or math.inf)
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return accelerator.reduce(losses, "sum"), counts, float(norm)


def _by_part(batches: Sequence[Sequence[EncodedExample]], losses: Tensor, counts: Tensor) -> dict[str, float]:
    """Mean loss per target token of each part of the mixture; the examples of a batch belong to one part."""
    sums: dict[str, list[float]] = {}
    for batch, loss, count in zip(batches, (losses * counts.sum()).tolist(), counts.tolist(), strict=True):
        found = sums.setdefault(batch[0].task, [0.0, 0])
        found[0] += loss
        found[1] += count
    return {name: loss / max(1, count) for name, (loss, count) in sums.items()}


def token_loss(
    model: torch.nn.Module, inputs: dict[str, Tensor], label_smoothing: float = 0.0, factor: Tensor | float = 1.0
) -> Tensor:
    """Cross entropy in fp32, summed over target tokens (with a classification head, over labels), times ``factor``.

    ``inputs`` are the tensors of ``Backbone.collate``.
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
    """This process's examples, and whether they count.

    If a batch has fewer examples than there are processes, the others compute one that does not count, because all
    processes must take part in each exchange of gradients.
    """
    mine = batch[accelerator.process_index :: accelerator.num_processes]
    return (mine, True) if mine else (batch[:1], False)


def autocast(accelerator: Accelerator, precision: str) -> AbstractContextManager[object]:
    """A context in which matrix products are computed in ``precision``; weights and loss stay in fp32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(accelerator.device.type, dtype=dtype, enabled=precision != "fp32")


def _sync(accelerator: Accelerator, model: torch.nn.Module, last: bool) -> AbstractContextManager[object]:
    """A context in which processes exchange gradients only for the last micro-batch of a step."""
    return nullcontext() if last else accelerator.no_sync(model)
