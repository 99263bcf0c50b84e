"""What a request tells about its sender beyond what it says: its software, and where its address is."""
