"""How each reward responds to each known defect."""
