"""The renderer for GPUs: compute kernels (WGSL) through wgpu, over Vulkan, Metal or DirectX 12. Needs no torch."""
