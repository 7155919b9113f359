"""The active hand as a mesh object, taken out of its avatar by ``livehand mesh`` in a process of its own."""
