"""Own footage: videos of a hand by one camera or several become a capture. ``command`` is ``livehand footage``."""
