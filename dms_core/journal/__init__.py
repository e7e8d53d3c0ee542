"""What was written to homes and is not at the service yet: kept here first, then sent."""
