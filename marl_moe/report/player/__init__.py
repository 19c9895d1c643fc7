"""The episode player of the report: an episode recorded, and the options of every user in it."""
