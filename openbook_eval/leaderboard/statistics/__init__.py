"""What is certain about marks and what is noise: intervals, paired differences, ranks, and what an exam can detect."""
