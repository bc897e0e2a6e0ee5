"""Vision-language models as judges: levels, VideoReward's heads, likeness of frames and words."""
