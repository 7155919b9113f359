"""The radiance field along rays and the super-resolution's convolutions."""
