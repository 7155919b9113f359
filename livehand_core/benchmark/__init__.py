"""``livehand bench``: how fast frames come, where their time goes, and how good that is for the machine at hand.

``animation`` says what is drawn, ``plain`` is the formulation that speed-ups are measured against, ``flops`` counts
what a frame asks for and ``peaks`` what the machine can give. Nothing here is imported by the renderer.
"""
