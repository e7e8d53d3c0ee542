"""The mount: file system semantics, the driver beneath them, the control socket."""
