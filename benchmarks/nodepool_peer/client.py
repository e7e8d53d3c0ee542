"""A requestor of Nodepool, as Zuul is one: by Nodepool's own ZooKeeper classes, and watches.

Runs on Nodepool's own Python. Reads a JSON object a line and answers with one:

* ``{"do": "ask", "requests": 20, "at_once": 1, "seed": 0}``: the times of each
  request in ms, from submitting it: until the launcher has taken it up
  (pending), until it is fulfilled, and until the node is locked and in use.
* ``{"do": "give-back"}``: all nodes that were got are used up.
* ``{"do": "look"}``: how many nodes there are, by state.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from nodepool.zk import ZooKeeperClient
from nodepool.zk import zookeeper as zk

from .pace import asked

LABEL = "ready"
DEADLINE_S = 60


@dataclass
class Watched:
    """What a watch on a request has seen of it."""

    seen: dict[str, float] = field(default_factory=dict)
    """State -> when, on the monotonic clock."""
    nodes: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, data: bytes | None, stat: object) -> bool:
        """The request has changed; False ends the watch."""
        if data is None:
            return False
        now, request = time.monotonic(), json.loads(data)
        self.seen.setdefault(request["state"], now)
        self.nodes = request["nodes"]
        if request["state"] in (zk.FULFILLED, zk.FAILED):
            self.over.set()
        return not self.over.is_set()


class Requestor:
    """Asks for nodes, one a request, and holds them."""

    def __init__(self, hosts: str, key: str, certificate: str) -> None:
        self._client = ZooKeeperClient(hosts, tls_cert=certificate, tls_key=key, tls_ca=certificate)
        self._client.connect()
        self._zk = zk.ZooKeeper(self._client, enable_cache=False)
        self._held: list[zk.Node] = []

    def ask(self) -> dict[str, float]:
        """One request; its times in ms."""
        request = zk.NodeRequest()
        request.state = zk.REQUESTED
        request.requestor = "benchmark"
        request.node_types.append(LABEL)
        watched = Watched()
        began, began_at = time.monotonic(), time.time()
        self._zk.storeNodeRequest(request)
        self._client.client.DataWatch(f"{self._zk.REQUEST_ROOT}/{request.id}", watched)
        if not watched.over.wait(DEADLINE_S) or zk.FULFILLED not in watched.seen:
            raise SystemExit(f"request {request.id} was not fulfilled: {watched.seen}")
        (node_id,) = watched.nodes
        node = self._zk.getNode(node_id)
        self._zk.lockNode(node, timeout=DEADLINE_S)
        if node.allocated_to != request.id:
            raise SystemExit(f"node {node_id} is not of request {request.id}")
        if node.state_time > began_at:
            raise SystemExit(f"node {node_id} was not in stock: it became ready only then")
        node.state = zk.IN_USE
        self._zk.storeNode(node)
        self._zk.deleteNodeRequest(request)
        ended = time.monotonic()
        self._held.append(node)
        fulfilled = watched.seen[zk.FULFILLED]
        return {
            "taken_up": 1000 * (watched.seen.get(zk.PENDING, fulfilled) - began),
            "fulfilled": 1000 * (fulfilled - began),
            "in_use": 1000 * (ended - began),
        }

    def give_back(self) -> None:
        """All held nodes have been used."""
        for node in self._held:
            node.state = zk.USED
            self._zk.storeNode(node)
            self._zk.unlockNode(node)
        self._held.clear()

    def look(self) -> dict[str, int]:
        """How many nodes there are, by state; those that a request has are ``allocated``."""
        nodes = self._zk.nodeIterator()
        return dict(Counter("allocated" if node.allocated_to else node.state for node in nodes))


def main() -> None:
    """Answer until the input ends."""
    requestor = Requestor(*sys.argv[1:])
    for line in sys.stdin:
        wanted = json.loads(line)
        answer: object = None
        match wanted.pop("do"):
            case "ask":
                answer = asked(requestor.ask, **wanted)
            case "give-back":
                requestor.give_back()
            case "look":
                answer = requestor.look()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
