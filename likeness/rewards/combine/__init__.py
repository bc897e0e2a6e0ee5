"""One number of many: terms with weights, limits that veto, and a rule for what is missing."""
