"""What keeps bytes and names near: blocks on local disk, their index, eviction, ``Cached``."""
