"""Data sets of real hands, turned into captures: one small reader a data set, one preparation for all.

``conventions`` is the table of how the sets differ; a reader (``interhand``, ``hanco``, ...) yields instants,
``prepare`` makes masks and pictures of each and ``merge`` the capture of all. Needs NumPy, Pillow and OpenCV.
"""
