"""Two processes: the shares of a batch, its draws, its statistics, and the weights that come of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from spikingjelly.activation_based import layer
from torch import Tensor, nn

from robustbench_snn.backbones.topdown import TokenNorm
from robustbench_snn.dataset import Dataset, load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.frozen_norm import BatchNorm2d
from robustbench_snn.randomness import SampleRandom, Share, SharedDraws
from robustbench_snn.training import Recipe, check_trainable, resolve_recipe, train
from robustbench_snn.training.batches import TrainingBatches
from robustbench_snn.training.ranks import Ranks
from robustbench_snn.training.synchronised import synchronise

Build = Callable[..., Classifier]
InTwo = Callable[[Callable[[int], Any]], list[Any]]


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize(("count", "size"), [(1, 10), (2, 12), (3, 12), (4, 64)])
def test_shares_part_a_batch_evenly(count: int, size: int, mirrored: bool) -> None:
    shares = [Ranks(rank, count).share(size, mirrored=mirrored) for rank in range(count)]
    if count == 1:
        assert shares == [None]
        return
    rows = [share.rows.tolist() for share in shares if share]
    assert sorted(row for some in rows for row in some) == list(range(size))
    assert {len(some) for some in rows} == {size // count}
    for some in rows:
        assert some == sorted(some)
        assert not mirrored or [size - 1 - row for row in reversed(some)] == some
    if size % (2 * count) == 0:
        halves = [row for share in shares if share for row in share.part(1, 2).rows.tolist()]
        assert sorted(halves) == list(range(size // 2))


AUGMENTED: dict[str, dict[str, Any]] = {
    "all, mixed up": {"mixup": 0.5, "cutmix": 1.0, "random_erasing": 0.5, "label_smoothing": 0.1},
    "no mixing": {"random_erasing": 0.5},
    "in 256 operations": {"randaugment": "rand-m9-n3-mstd0.9", "batch_size": 96},
    "plain": {"randaugment": None, "crop_padding": 0, "horizontal_flip": 0.0},
}


@pytest.mark.parametrize("name", AUGMENTED)
@pytest.mark.parametrize("count", [2, 4])
def test_every_process_makes_its_rows_of_the_batch(digits: Dataset, name: str, count: int) -> None:
    common = {"batch_size": 32, "randaugment": "rand-m9-n2-mstd0.5-inc1", "horizontal_flip": 0.5, "crop_padding": 1}
    recipe = resolve_recipe(common | AUGMENTED[name])

    def batch(rank: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        ranks = Ranks(rank, count)
        facts: dict[str, Any] = {"classes": 10, "mean": digits.mean, "seed": 3, "epoch": 1}
        return TrainingBatches(digits.train, recipe, **facts, ranks=ranks)[0]

    whole = batch(0, 1)
    for rank in range(count):
        share = Ranks(rank, count).share(recipe.batch_size, mirrored=recipe.mixes)
        assert share is not None
        for found, expected in zip(batch(rank, count), whole, strict=True):
            assert torch.equal(found, expected[share.rows])


def test_streams_of_a_share_are_those_of_its_rows() -> None:
    torch.manual_seed(11)
    whole = [SampleRandom.from_torch(6).keys, SampleRandom.from_torch(6).keys]
    draws, share = SharedDraws(11), Share(torch.tensor([1, 4]), 12)
    with draws.of(share.part(0, 2)):
        first = SampleRandom.from_torch(1).keys
    with draws.of(share.part(0, 2)):
        second = SampleRandom.from_torch(3).keys
    assert torch.equal(first, whole[0][1:2])
    assert second[0] == whole[1][1]
    with draws.of(share), pytest.raises(ValueError, match="1 samples are drawn for where 2 of 12"):
        SampleRandom.from_torch(1)


NORMS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "torch": (lambda: nn.BatchNorm1d(5), (8, 5)),
    "ours, over maps": (lambda: BatchNorm2d(5), (8, 5, 3, 4)),
    "tokens": (lambda: TokenNorm(5), (8, 2, 3, 5)),
    "spikingjelly": (lambda: layer.BatchNorm2d(5, step_mode="m"), (8, 2, 5, 3, 4)),
    "no parameters, mean of all": (lambda: nn.BatchNorm2d(5, affine=False, momentum=None), (8, 5, 3, 4)),
    "no statistics": (lambda: nn.BatchNorm2d(5, track_running_stats=False).eval(), (8, 5, 3, 4)),
}


def test_statistics_are_of_the_whole_batch(in_two: InTwo) -> None:
    generator = torch.Generator().manual_seed(0)
    whole: dict[str, tuple[Tensor, Tensor]] = {}
    expected: dict[str, Any] = {}
    for name, (make, shape) in NORMS.items():
        inputs = 3.0 + torch.randn(shape, dtype=torch.float64, generator=generator).cumsum(0)  # the shares differ
        weights = torch.randn(shape, dtype=torch.float64, generator=generator)
        whole[name] = inputs, weights
        norm, leaf = make().double(), inputs.clone().requires_grad_()
        for _ in range(2):
            (norm(leaf) * weights).sum().backward()
        gradients = [parameter.grad for parameter in norm.parameters()]
        expected[name] = leaf.grad, gradients, norm.state_dict(), norm.eval()(inputs).detach()

    def work(rank: int) -> Any:
        found = {}
        for name, (make, _) in NORMS.items():
            norm, (inputs, weights) = make().double(), whole[name]
            synchronise(norm)
            leaf = inputs[rank::2].clone().requires_grad_()
            for _ in range(2):
                (norm(leaf) * weights[rank::2]).sum().backward()
            gradients = [parameter.grad for parameter in norm.parameters()]
            found[name] = leaf.grad, gradients, dict(norm.state_dict()), norm.eval()(inputs).detach()
        return found

    both = in_two(work)
    for name, (gradient, gradients, state, evaluated) in expected.items():
        for rank, (own, _, kept, answered) in enumerate(one[name] for one in both):
            torch.testing.assert_close(own, gradient[rank::2], rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(kept, dict(state), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(answered, evaluated, rtol=1e-12, atol=1e-12)
        summed = [one + other for one, other in zip(both[0][name][1], both[1][name][1], strict=True)]
        torch.testing.assert_close(summed, gradients, rtol=1e-12, atol=1e-12)


TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "everything": (
        "rate",
        {"mixup": 0.5, "randaugment": "rand-m9-n1-mstd0.4-inc1", "random_erasing": 0.25, "gradient_clip": 0.5},
    ),
    "in parts": ("direct", {"accumulate": 2, "loss": "tet"}),
    "pgd": ("rate", {"adversarial": {"eps": "16/255", "steps": 2}}),
    "trades": ("direct", {"adversarial": {"kind": "trades", "eps": 0.5, "norm": "l2", "steps": 1}, "accumulate": 2}),
}


def test_weights_are_those_of_one_process(build: Build, in_two: InTwo) -> None:
    digits = load_dataset("digits", train_limit=96)
    recipes = {
        name: resolve_recipe({"epochs": 1, "batch_size": 32, "optimizer": "sgd", "lr": 0.05} | values)
        for name, (_, values) in TRAININGS.items()
    }

    def trained(name: str, ranks: Ranks) -> tuple[dict[str, Tensor], tuple[float, float]]:
        model = build(TRAININGS[name][0]).double()  # so that no spike hangs on a sum's last bit
        plain = model.step_logits
        model.step_logits = lambda images, **named: plain(images.double(), **named)  # type: ignore[method-assign]
        recipe = recipes[name].model_copy(update={"processes": ranks.count})
        record = train(model, digits, recipe, seed=5, ranks=ranks).history[0]
        return dict(model.state_dict()), (record.loss, record.accuracy)

    start = {key: value.clone() for key, value in build().double().state_dict().items()}
    both = in_two(lambda rank: {name: trained(name, Ranks(rank, 2)) for name in TRAININGS})
    for name in TRAININGS:
        expected, facts = trained(name, Ranks())
        (one, first), (other, second) = (found[name] for found in both)
        assert first == second == pytest.approx(facts, rel=1e-6)
        assert all(torch.equal(value, other[key]) for key, value in one.items())
        torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-12)
        assert float((expected["backbone.head.weight"] - start["backbone.head.weight"]).norm()) > 0.01


def test_what_processes_cannot_train(build: Build, digits: Dataset) -> None:
    recipe = Recipe(batch_size=32, processes=2)
    with pytest.raises(UserError, match="recipe is for 2 processes; use robustbench_snn"):
        train(build(), digits, recipe, seed=0)
    with pytest.raises(UserError, match="100 training images are fewer than a batch of 128, and 2 processes"):
        check_trainable(digits, Recipe(processes=2), "cpu")
    with pytest.raises(UserError, match="processes is 64, each on a GPU of its own, and this machine shows"):
        check_trainable(load_dataset("digits"), Recipe(batch_size=64, processes=64), "cuda")
    check_trainable(digits, recipe, "cpu")
