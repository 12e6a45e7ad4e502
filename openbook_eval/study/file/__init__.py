"""What a study's file says, with every name in it looked up."""
