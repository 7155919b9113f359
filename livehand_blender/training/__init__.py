"""Training from Blender: runs are processes of their own, watched and steered through their folders."""
