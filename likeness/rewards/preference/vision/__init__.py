"""A vision-language model that learns from votes which clip people prefer."""
