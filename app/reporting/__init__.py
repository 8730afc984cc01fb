"""What we owe: which reports are due, what they say, and how they are delivered."""
