"""Non-billable categories: what work is for that no client is billed for."""
