"""Content Credentials in Blender: pictures signed as they are written, and verified by a button."""
