"""What no training reward looks at, so that a hacked reward is seen by what it costs."""
