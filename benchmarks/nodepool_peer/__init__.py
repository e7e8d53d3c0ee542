"""Both sides of ``benchmarks/nodepool.py``: a Nodepool with its ZooKeeper, and a VMM.

``launcher`` and ``client`` run on the Python of Nodepool's own environment.
"""
