"""Install releases of a gRPC service, and switch between them without losing a call."""
