"""The DMS's public clients: of the service, and of a mount on this machine.

``service`` asks a service over HTTP; ``mount`` asks a mount's control socket.
Each has an async class and a blocking twin for scripts and notebooks.
"""
