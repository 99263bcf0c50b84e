"""The live stream: changes of deliveries as they happen, resumed where a listener left off."""
