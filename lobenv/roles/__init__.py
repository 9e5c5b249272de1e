"""What an external agent is: a role is a table and its rules (observe, act, pay, end)."""
