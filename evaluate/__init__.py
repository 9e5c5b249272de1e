"""Everything that measures: comparison of policies, their metrics and statistics, and the reports made of them."""
