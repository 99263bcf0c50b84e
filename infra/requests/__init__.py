"""What a webhook makes of a request: headers kept, dedupe key, body, mapping. Pure; shared by every stage."""
