"""What the machine's cores can multiply at most, measured with the library that is best at it (torch's BLAS, oneDNN).

The share of this that a renderer reaches says how good it is for the machine, whatever the machine. Needs torch.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

SIZES = (768, 1536)
CUDA_SIZES = (4096, 8192)
SECONDS = 0.4
"""Measuring time of each size and type."""

_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8"}


def gemm_peaks(instructions: list[str], threads: int) -> dict[str, float]:
    """Type -> best rate of a square matrix product on the CPU, in 10^9 operations a second.

    Args:
        instructions: the CPU's, as ``machine.describe`` lists them: bf16 and int8 are measured where it has them;
            int16, where it has int8, is half of that.
        threads: cores to use; set back afterwards.
    """
    known = set(instructions)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        peaks = {"float32": _best(partial(_float_product, dtype=torch.float32))}
        if known & _BFLOAT16:
            peaks["bfloat16"] = _best(partial(_float_product, dtype=torch.bfloat16))
        if known & _INT8:
            with _quantised_by("onednn"):
                peaks["int8"] = _best(_int8_product)
            # No library multiplies int16; the instruction for it takes half as many numbers a time.
            peaks["int16"] = 0.5 * peaks["int8"]
    finally:
        torch.set_num_threads(before)
    return peaks


def cuda_peaks(device: str) -> dict[str, float]:
    """The same on a CUDA device, for float32 (TF32 off), float16 and bfloat16."""
    types = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return {
        name: _best(partial(_cuda_product, dtype=dtype, device=device), CUDA_SIZES) for name, dtype in types.items()
    }


def _best(product: Callable[[int], Callable[[], object]], sizes: Sequence[int] = SIZES) -> float:
    """The best single call of any size, 10^9 operations a second."""
    best = 0.0
    for size in sizes:
        call = product(size)
        call()
        end = time.perf_counter() + SECONDS
        while (start := time.perf_counter()) < end:
            call()
            best = max(best, 2.0 * size**3 / (time.perf_counter() - start) / 1e9)
    return best


def _float_product(size: int, dtype: torch.dtype) -> Callable[[], object]:
    first, second = (torch.rand(size, size).to(dtype) for _ in range(2))
    out = torch.empty(size, size, dtype=dtype)
    return lambda: torch.mm(first, second, out=out)


def _cuda_product(size: int, dtype: torch.dtype, device: str) -> Callable[[], object]:
    first, second = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(first)

    def multiply() -> None:
        torch.mm(first, second, out=out)
        torch.cuda.synchronize(device)

    return multiply


def _int8_product(size: int) -> Callable[[], object]:
    """A quantised linear layer: uint8 activations times int8 weights, which is what the instructions are made for."""
    layer = torch.ao.nn.quantized.Linear(size, size, bias_=False)
    weight = torch.quantize_per_tensor(torch.rand(size, size) - 0.5, 1.0 / 256.0, 0, torch.qint8)
    layer.set_weight_bias(weight, None)
    x = torch.quantize_per_tensor(torch.rand(size, size), 1.0 / 256.0, 0, torch.quint8)
    return lambda: layer(x)


@contextmanager
def _quantised_by(engine: str) -> Iterator[None]:
    """Have torch's quantised layers run on a library that is fast at them, and keep its notices of their age quiet."""
    before = torch.backends.quantized.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if engine in torch.backends.quantized.supported_engines:
            torch.backends.quantized.engine = engine
        try:
            yield
        finally:
            torch.backends.quantized.engine = before
