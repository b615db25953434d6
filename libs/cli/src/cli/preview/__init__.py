"""`trueup validate` and `trueup diff`: what declarations would mean, offline, before they count.

`states` reads rows from files, `preview` decides (pure), `figures` counts (pure), `text` and `details` say it,
`commands` wires.
"""
