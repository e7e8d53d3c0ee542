"""Azure: one subscription, resource group and region, on Microsoft's own asynchronous SDK.

* ``cloud``: what the VMM sees. ``connection``: the SDK's client and credentials.
* ``network``: network interfaces and addresses. ``leftovers``: these and disks, to be deleted.
* ``request``: what is sent to make a machine. ``machines``: what the answers say. Pure.
* ``sizes``: what can be had, and the account's limits. Pure.
* ``errors``: Azure's error codes in the words of :mod:`vmm_core.clouds.base`. Pure.
* ``options``: what the catalogue says. ``names``: tags and the names of what a machine has.

Nothing is polled by the SDK and nothing is retried by it: a create is sent
once, and what became of it is read from lists. ``docs/clouds/azure.md`` tells
an operator what to prepare.
"""

from __future__ import annotations

from .cloud import AzureCloud

__all__ = ["AzureCloud"]
