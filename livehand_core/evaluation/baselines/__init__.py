"""What the method is compared with, trained on the same capture as long: ``livehand evaluate --baselines``."""
