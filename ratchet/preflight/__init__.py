"""What a round needs, asked before it costs anything."""
