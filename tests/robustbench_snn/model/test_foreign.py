"""Models of any making start every pass at rest, run their steps, and draw what their sample draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import layer, neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.model.foreign import Foreign
from robustbench_snn.model.target import Target

IMAGES = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Keeps(nn.Module):
    """Adds to its logits what it has kept of the passes before, somewhere."""

    def __init__(
        self, start: Callable[[Any], None], read: Callable[[Any], Any], write: Callable[[Any, Tensor], None]
    ) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear = nn.Linear(16, 5)
        self.read, self.write = read, write
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(images.flatten(1))
        kept = self.read(self)
        before = logits if kept is None or getattr(kept, "shape", logits.shape) != logits.shape else logits + kept
        self.write(self, before.detach())
        return before


def replaced(self: Any, value: Tensor) -> None:
    self.v = value


KEPT: dict[str, nn.Module] = {
    "in an attribute that starts as None": Keeps(lambda m: setattr(m, "v", None), lambda m: m.v, replaced),
    "in an attribute made at the first pass": Keeps(lambda m: None, lambda m: getattr(m, "v", None), replaced),
    "in a number": Keeps(lambda m: setattr(m, "v", 0.0), lambda m: m.v, lambda m, v: setattr(m, "v", float(v.mean()))),
    "in a list": Keeps(
        lambda m: setattr(m, "v", []), lambda m: m.v[-1] if m.v else None, lambda m, v: m.v.append(v)
    ),
    "in a deque": Keeps(
        lambda m: setattr(m, "v", deque(maxlen=2)), lambda m: m.v[-1] if m.v else None, lambda m, v: m.v.append(v)
    ),
    "in a dictionary": Keeps(
        lambda m: setattr(m, "v", {}), lambda m: m.v.get("mem"), lambda m, v: m.v.__setitem__("mem", v)
    ),
    "in a plain object": Keeps(
        lambda m: setattr(m, "v", SimpleNamespace(mem=None)), lambda m: m.v.mem, lambda m, v: setattr(m.v, "mem", v)
    ),
    "in an object in a list": Keeps(
        lambda m: setattr(m, "v", [SimpleNamespace(mem=None)]),
        lambda m: m.v[0].mem,
        lambda m, v: setattr(m.v[0], "mem", v),
    ),
    "in a buffer": Keeps(
        lambda m: m.register_buffer("v", torch.zeros(0)), lambda m: m.v, lambda m, v: setattr(m, "v", v)
    ),
    "in a buffer changed in place": Keeps(
        lambda m: m.register_buffer("v", torch.zeros(5)), lambda m: m.v.mean(),
        lambda m, v: m.v.add_(v.mean()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", KEPT)
def test_what_is_kept_is_found_and_put_back(where: str) -> None:
    model = KEPT[where].eval()
    expected = model.linear(IMAGES.flatten(1))  # type: ignore[operator]
    target = Target(model)
    with torch.no_grad():
        for size in (8, 16, 40):
            for chunk, wanted in zip(IMAGES.split(size), expected.split(size), strict=True):
                assert torch.equal(target(chunk), model.linear(chunk.flatten(1))), where  # type: ignore[operator]
                torch.testing.assert_close(target(chunk), wanted)


def test_membranes_of_an_earlier_batch_are_cleared_by_the_library_s_reset_or_refused() -> None:
    class Stale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mem: Tensor = torch.zeros(0)

        def forward(self, images: Tensor) -> Tensor:
            drive = images.flatten(1)
            self.mem = drive if not len(self.mem) else self.mem[: len(drive)] + drive
            return self.mem

    class Resettable(Stale):
        def reset_mem(self) -> None:
            self.mem = torch.zeros(0)

    for model in (Stale(), Resettable()):
        model.eval()(IMAGES[:24])  # as training leaves it
        target = Target(model)
        if isinstance(model, Resettable):
            assert torch.equal(target(IMAGES[:8]), IMAGES[:8].flatten(1))
        else:
            with pytest.raises(UserError, match=r"membranes of an earlier batch \(mem\).*reset="):
                target(IMAGES[:8])
            told = Target(model, reset=lambda one: setattr(one, "mem", torch.zeros(0)))
            assert torch.equal(told(IMAGES[:8]), IMAGES[:8].flatten(1))


@pytest.mark.parametrize("buffer", [False, True])
def test_one_image_s_membrane_is_told_from_a_single_row_that_all_start_from(buffer: bool) -> None:
    class Integrates(nn.Module):
        v: Tensor

        def __init__(self, start: Tensor) -> None:
            super().__init__()
            self.register_buffer("v", start) if buffer else setattr(self, "v", start)

        def forward(self, images: Tensor) -> Tensor:
            self.v = self.v + images.flatten(1)
            return self.v

    for start in (torch.zeros(1, 16), torch.full((1, 16), -65.0)):
        assert torch.equal(Target(Integrates(start).eval())(IMAGES), start + IMAGES.flatten(1))
        model = Integrates(start).eval()
        model(IMAGES[:1])  # to see that the shapes are right
        with pytest.raises(UserError, match=r"membranes of an earlier batch \(v\).*reset="):
            Target(model)(IMAGES)
    own = torch.arange(16.0)[None]
    told = Target(Integrates(own).eval(), reset=lambda one: setattr(one, "v", own))
    assert torch.equal(told(IMAGES), own + IMAGES.flatten(1))


@pytest.mark.parametrize("rows", [8, 24])
@pytest.mark.parametrize("box", [lambda v: v, lambda v: [None, v], lambda v: {"mem": v}, lambda v: (v, (v,))])
def test_leftovers_are_told_from_what_a_layer_merely_notes(rows: int, box: Callable[[Tensor], Any]) -> None:
    class Notes(nn.Module):
        mem: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mem", torch.zeros(0))
            self.noted: Any = None

        def forward(self, images: Tensor) -> Tensor:
            drive = images.flatten(1)
            kept = self.mem if READS and self.mem.shape == drive.shape else torch.zeros_like(drive)
            self.mem = kept + drive
            self.noted = box(self.mem > 0.5)
            return (self.mem > 2.0).float() + drive

    READS: list[bool] = []
    model = Notes().eval()
    model(IMAGES[:rows])  # as training leaves it
    expected = Notes().eval()(IMAGES[:rows])
    assert torch.equal(Target(model)(IMAGES[:rows]), expected)
    READS.append(True)
    with pytest.raises(UserError, match=r"membranes of an earlier batch \(\w+\).*reset="):
        Target(model, timesteps=1)(IMAGES[:rows])  # other steps are looked at anew


def test_leftovers_that_do_not_fit_the_images_ask_for_a_reset() -> None:
    class Kept(nn.Module):
        state: Any = None

        def forward(self, images: Tensor) -> Tensor:
            drive = images.flatten(1)
            self.state = [drive if self.state is None else self.state[0] + drive]
            logits: Tensor = self.state[0]
            return logits

    model = Kept()
    model(IMAGES[:24])
    with pytest.raises(UserError, match=r"cannot be run on a few images.*reset="):
        Target(model.eval())(IMAGES[:8])
    found = Target(model, reset=lambda one: setattr(one, "state", None))(IMAGES[:8])
    assert torch.equal(found, IMAGES[:8].flatten(1))


@pytest.mark.parametrize(("timesteps", "mode"), [(None, "s"), (3, "s"), (3, "m")])
def test_an_answer_that_is_no_tensor_is_named(timesteps: int | None, mode: str) -> None:
    """Spikes and membranes, as networks of snnTorch return them."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neuron = neuron.LIFNode(step_mode=mode)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            spikes = self.neuron(images.flatten(-3))
            return spikes, spikes

    if timesteps is None:
        model: nn.Module = nn.Identity()
        model.forward = lambda images: (images, images)
    else:
        model = Both()
    with pytest.raises(UserError, match=r"returned tuple for \d+ images; a model must return logits \(B, K\)"):
        Target(model.eval(), timesteps=timesteps)(IMAGES)


def test_what_no_probe_finds_is_refused_until_a_reset_is_given() -> None:
    hidden: list[float] = [0.0]

    class Closure(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            hidden[0] += 1.0
            return images.flatten(1) + hidden[0]

    model = Closure().eval()
    with pytest.raises(UserError, match=r"was not found.*reset="):
        Target(model)(IMAGES)
    found = Target(model, reset=lambda _: hidden.__setitem__(0, 0.0))(IMAGES)
    assert torch.equal(found, IMAGES.flatten(1) + 1.0)


@pytest.mark.parametrize("draw", [torch.randn_like, lambda x: torch.from_numpy(np.random.randn(*x.shape)).float()])
def test_stochastic_models_give_the_same_numbers_at_any_batch_size(draw: Callable[[Tensor], Tensor]) -> None:
    class Noisy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            x = images.flatten(1)
            return x + 0.2 * draw(x)

    model, labels = Noisy(), IMAGES.flatten(1).argmax(1)
    with pytest.raises(UserError, match=r"draws random numbers.*stochastic=True"):
        evaluate(model, IMAGES, labels)
    state = torch.get_rng_state()
    found = [
        evaluate(
            model,
            IMAGES,
            labels,
            ["clean", {"pgd": {"eps": 0.05, "steps": 1, "draws": 2, "judging_draws": 4}}],
            stochastic=True,
            batch_size=size,
        )
        for size in (3, 40)
    ]
    assert 0.0 < found[0][0].accuracy < 1.0
    for small, large in zip(*found, strict=True):
        assert np.array_equal(small.columns["correct"], large.columns["correct"])
    assert torch.equal(state, torch.get_rng_state()), "no generator of others is touched"


@pytest.mark.parametrize("mode", ["s", "m"])
def test_raw_nets_run_the_steps_that_are_stated(mode: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = nn.Linear(16, 5)
    net = nn.Sequential(
        layer.SeqToANNContainer(nn.Flatten(), weights) if mode == "m" else nn.Sequential(nn.Flatten(), weights),
        neuron.IFNode(v_threshold=0.3, step_mode=mode),
    ).eval()
    current, v, spikes = weights(IMAGES.flatten(1)), torch.zeros(40, 5), torch.zeros(40, 5)
    for _ in range(3):
        v = v + current
        fired = (v >= 0.3).float()
        spikes, v = spikes + fired, v * (1.0 - fired)
    with torch.no_grad():
        torch.testing.assert_close(Target(net, timesteps=3)(IMAGES), spikes / 3)
        torch.testing.assert_close(Target(net, timesteps=5)(IMAGES, timesteps=3), spikes / 3)
        with pytest.raises(UserError, match="timesteps=T"):
            Target(net)(IMAGES)


def test_a_model_in_training_mode_is_left_as_it_is() -> None:
    """A layer that draws at training is nobody's undeclared noise; in eval mode the same draws are refused."""

    class Draws(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.dropout(images.flatten(1), 0.5)

    foreign = Foreign(Draws().train(), stochastic=False, timesteps=None, reset=None)
    assert not torch.equal(foreign(IMAGES, None), foreign(IMAGES, None))
    foreign.model.eval()
    with pytest.raises(UserError, match="draws random numbers"):
        foreign(IMAGES, None)
