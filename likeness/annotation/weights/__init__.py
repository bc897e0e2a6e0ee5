"""From votes to preference pairs with weights and soft labels."""
