"""The posed proxy mesh: skinning, what pixels see of it, bounds of rays, nearest surface points."""
