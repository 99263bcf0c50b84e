"""What relays share: a session whose lock is the lead, the thread that leads or stands by, and how it is doing."""
