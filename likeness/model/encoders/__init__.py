"""What turns pixels, speech and prompts into the transformer's inputs, and latents into pixels."""
