"""A local AWS: an API emulator whose EC2 instances are real systemd hosts on this machine."""
