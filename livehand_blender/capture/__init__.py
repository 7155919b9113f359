"""Multi-view capture of a hand in Blender: the high-detail hand, studio light, cameras."""
