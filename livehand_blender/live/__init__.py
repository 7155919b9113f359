"""A camera or film moves a hand while Blender runs, takes are recorded, and videos become actions."""
