"""Send the journal's lines of a service to where they are watched."""
