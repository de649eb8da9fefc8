"""What faults make of the weights of one layer. Everything is computed on the CPU, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.fault.kinds import Fault


def faulty(weight: Tensor, fault: Fault, place: str) -> tuple[Tensor, int]:
    r"""The weights W under a fault of synapses, and how many of them it changed.

    ======================  =======================================================================================
    ``synapse_dead``        0 at the sites that are hit
    ``synapse_saturated``   :math:`\pm\max|W|` there, with the weight's own sign (of zero: plus)
    ``weight_noise``        :math:`W + \rho\,\sigma_W\,\epsilon`, :math:`\epsilon \sim N(0, 1)`; rho is the rate,
                            :math:`\sigma_W` the weights' standard deviation
    ``int8``, ``int4``      see :func:`quantised`
    ``bitflip_int8``        int8, then each of the 8 bits of each code flipped with the rate's probability
    ``bitflip_float32``     each of the 32 bits of each weight; what becomes infinite or not a number stays so
    ======================  =======================================================================================

    Args:
        weight: float32, of any shape, on any device; not changed.
        fault: what to do.
        place: the layer's name, from which its random numbers follow.

    Returns:
        The weights, on the same device.
    """
    plain = weight.detach().to("cpu")
    made = _made(plain, fault, place)
    same = (made == plain) | (made.isnan() & plain.isnan())
    return made.to(weight.device), int((~same).sum())


def _made(weight: Tensor, fault: Fault, place: str) -> Tensor:
    match fault.kind:
        case "synapse_dead":
            return weight.masked_fill(fault.hits(place, weight.shape), 0.0)
        case "synapse_saturated":
            largest = weight.abs().max().expand_as(weight)
            return torch.where(fault.hits(place, weight.shape), largest.copysign(weight), weight)
        case "weight_noise":
            scale = fault.rate * float(weight.double().std(correction=0))
            return weight + scale * fault.random(place).normal(*weight.shape)[0]
        case "int8" | "int4":
            codes, step = quantised(weight, int(fault.kind.removeprefix("int")))
            return codes * step
        case "bitflip_int8":
            codes, step = quantised(weight, 8)
            return flipped(codes.to(torch.int8), fault, place).to(weight.dtype) * step
        case "bitflip_float32":
            return flipped(weight.contiguous().view(torch.int32), fault, place).view(torch.float32)
    raise ValueError(f"{fault.kind} is no fault of synapses")


def quantised(weight: Tensor, bits: int) -> tuple[Tensor, float]:
    r"""Symmetric quantisation of a whole tensor, to the nearest code (a half to the even one).

    .. math:: s = \max|W| / (2^{b-1} - 1), \quad q = \mathrm{round}(W / s), \quad W \approx s\,q

    Args:
        weight: float, of any shape.
        bits: b.

    Returns:
        q, whole numbers of the weight's type in :math:`\pm(2^{b-1} - 1)`, and s; of zeros alone, zeros and 0.
    """
    levels = 2 ** (bits - 1) - 1
    step = float(weight.abs().max()) / levels
    if step == 0.0:
        return torch.zeros_like(weight), 0.0
    return (weight / step).round().clamp(-levels, levels), step


def flipped(codes: Tensor, fault: Fault, place: str) -> Tensor:
    """Flips each bit of whole numbers with the rate's probability, in two's complement.

    Args:
        codes: int8 or int32, of any shape.
        fault: the rate, and the random numbers: one stream a bit.
        place: the layer's name.
    """
    bits = torch.iinfo(codes.dtype).bits
    for bit in range(bits):
        value = -(2**bit) if bit == bits - 1 else 2**bit  # the uppermost is the sign
        hit = fault.hits(f"{place} bit {bit}", codes.shape)
        codes = codes ^ torch.where(hit, value, 0).to(codes.dtype)
    return codes
