"""What can be cached."""
