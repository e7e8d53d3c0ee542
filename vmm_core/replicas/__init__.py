"""Several processes of the service on one database: who runs, and what they ask each other.

* ``membership``: says that this process lives, and notices who does not any more.
* ``tickets``: how one process proves to another that it may ask.
* ``elsewhere``: asks another process something of an agent that is connected there.
* ``answering``: answers what another process asks.
* ``everywhere``: the agents of all machines, whichever process they are connected to.
"""
