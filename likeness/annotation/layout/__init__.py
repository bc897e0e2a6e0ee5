"""The page that raters see: a Label Studio configuration, made from what a campaign asks."""

from likeness.annotation.layout.keys import KeyTable, key_table
from likeness.annotation.layout.page import (
    FLAGS,
    LAYOUT,
    SEEN,
    STRENGTHS,
    LayoutError,
    config_hash,
    label_config,
    task_data,
)
from likeness.annotation.layout.proof import unwatched

__all__ = [
    "FLAGS",
    "LAYOUT",
    "SEEN",
    "STRENGTHS",
    "KeyTable",
    "LayoutError",
    "config_hash",
    "key_table",
    "label_config",
    "task_data",
    "unwatched",
]
