"""Measuring the codec: material, anchors, runner and report.

demo_clip.py  a talking head made from a bundled photograph, for trying things out
"""
