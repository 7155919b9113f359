"""How good an avatar is: metrics by named protocol over the splits of a capture, steadiness, and a report.

Needs torch and scikit-image; MS-SSIM, LPIPS, FID and KID where their libraries and networks are at hand.
"""
