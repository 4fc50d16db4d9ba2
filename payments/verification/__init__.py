"""The verifier of money: recomputes the ledger, and compares it, orders and wallets with the log."""
