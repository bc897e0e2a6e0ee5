"""What `likeness score` reads and prints."""
