"""How the weights of `angen.analysis.bars` and `.rhythm` are made."""
