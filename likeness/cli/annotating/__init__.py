"""The verbs of `likeness annotate` that plan campaigns, watch raters and read their votes."""
