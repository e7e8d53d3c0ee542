"""What a pool policy would have done: traces of requests, replayed on a virtual clock.

A trace is what people asked for (:mod:`.trace`): recorded, or made up by
:mod:`.generate` in the likeness of a facility (:mod:`.facility`). A policy says
how many machines stand ready (:mod:`.policy`). :mod:`.replay` lets the VMM's
own decisions answer the trace; :mod:`.report` tells how well they did.
"""
