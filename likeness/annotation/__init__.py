"""What people said: their labels, how far they agree, and the rankings that follow."""
