"""The REST service ``/dms/api/v1``: handlers, one subject a file."""
