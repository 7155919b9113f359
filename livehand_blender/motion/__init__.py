"""Motion files into actions of a hand rig, and back."""
