"""The paper's statements and ours, judged on the runs."""
