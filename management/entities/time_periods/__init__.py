"""Time periods: the days that one time sheet of a user is for."""
