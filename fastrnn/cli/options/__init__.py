"""Options of the commands, and the parameters of a run that they set."""
