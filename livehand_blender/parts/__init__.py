"""Any rigged mesh as a part of a body with an avatar of its own: its model, its poses, its capture, its picture."""
