"""Services: what time is worked for and sold as."""
