"""A gRPC server for services in Python, its client, and the greeter they come with."""
