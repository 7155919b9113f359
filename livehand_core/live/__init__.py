"""``livehand live``: a window with the camera's picture and the avatar that moves with the hand in it."""
