"""The book that a question is asked on: where its entries come from, and how they are laid under each condition."""
