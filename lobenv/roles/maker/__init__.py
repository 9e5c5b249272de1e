"""The market maker: it quotes a bid and an ask, and is paid for what that earns."""
