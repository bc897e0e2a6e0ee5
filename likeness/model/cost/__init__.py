"""What a generation costs: tokens, parameters, operations, memory and time."""
