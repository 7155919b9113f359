"""The reference: the method in torch, readable and differentiable, on any device, for every form of avatar."""
