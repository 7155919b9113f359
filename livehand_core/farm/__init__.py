"""Animations rendered by many workers: where pictures go, the job that describes them, and the engines that run it."""
