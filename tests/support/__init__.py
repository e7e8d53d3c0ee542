"""Parts that several test packages start: a hub, the services."""
