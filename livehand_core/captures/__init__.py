"""The capture folder: many views of many poses of one hand, for training and evaluation.

``capture`` reads and writes the folder, ``images`` its pictures, ``checks`` finds what is wrong with one and ``plan``
decides which cameras see which poses when a capture is made. NumPy only; Pillow is loaded when a picture is touched.
"""
