"""What a network costs, by name; `network_cost` says what each means. All of them the smaller the better."""

COST_NAMES = ("parameters", "size_mb", "flops", "latency_ms")
