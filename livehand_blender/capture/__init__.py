"""Multi-view capture of a hand in Blender: the detailed hand, the studio's light, cameras and files."""
