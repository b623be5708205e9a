"""What a written answer says, and what it is worth."""
