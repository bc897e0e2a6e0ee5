"""Label Studio: a server of our own or another's, what is asked of it, and posting to it."""
