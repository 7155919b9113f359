"""Training an avatar on a capture: configuration, views, tiles, losses, trainer, checkpoints, previews. Needs torch."""
