"""How good an avatar is: metrics by named protocol over the splits of a capture. Needs torch and scikit-image."""
