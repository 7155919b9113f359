"""Many frames without a window: rendered one by one, shared with other workers, put together as a video."""
