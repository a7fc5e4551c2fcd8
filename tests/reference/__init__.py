"""Reference implementations (NumPy twins) that the compiled code must agree with.

Nothing here shares code with the package or is meant to be fast. Names are keys of dicts, every coordinate is an
object, and the step count of Adam is a count.
"""
