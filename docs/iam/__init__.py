"""The IAM policies of the person who deploys, and how they are written."""
