"""The hot loops of the CPU renderer, compiled by numba at run time: no torch, any processor."""
