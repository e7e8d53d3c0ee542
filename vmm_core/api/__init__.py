"""The REST API under ``/vmm/api/v1``: one route table, from which the document is made."""
