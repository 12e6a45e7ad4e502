"""What a study found, laid out for the terminal."""
