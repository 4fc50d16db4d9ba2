"""Money held and moved: ledger, wallets, transfers, top-ups."""
