"""A camera sees a hand, and its pose comes out: pictures -> landmarks -> hand pose."""
