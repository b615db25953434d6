"""Pure decisions: is this message an observation, what is recorded of it, what does a snapshot say."""
