"""The examiners' read API: cases, timelines, events with their causes, attestations. It changes nothing."""
