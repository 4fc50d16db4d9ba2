"""The pages of customers, staff accounts and administrators: server-rendered, working without scripts."""
