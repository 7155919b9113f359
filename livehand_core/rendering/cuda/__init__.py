"""The renderer for CUDA: one function of fixed shapes a frame, captured once in a graph and replayed. Torch only."""
